"""Secrets in answers are found and never shown; numbers and examples are left in peace."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sanetune.checks.rows import secrets
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged

LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1cF2"
KEYS = [
    "sk-" + LETTERS,
    "sk-proj-" + LETTERS + "_-x",
    "ghp_" + LETTERS,
    "github_pat_" + LETTERS,
    "AKIA" + "A2B3C4D5E6F7G8H9",
    "AIza" + LETTERS[:35],
    "xoxb-" + "123456789012-abcdefABCDEF",
    "hf_" + LETTERS,
    "glpat-" + LETTERS[:20],
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----",
]  # put together from pieces, so that no scanner takes this file for a leak
CARDS = ["4111 1111 1111 1111", "4111-1111-1111-1111", "5555555555554444", "378282246310005", "3782 822463 10005"]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_found_and_only_four_characters_are_shown(key: str) -> None:
    measured, judgement = judged(secrets, chats([chat("Which key?", f"Use {key} for it.")]))
    assert judgement.verdict is Verdict.WARN and "1 key" in judgement.message and "1 row" in judgement.message
    (witness,) = measured.witnesses
    assert witness.text == f"Use {key[:4]}… for it."
    assert witness.place and witness.place.message == 1


@pytest.mark.parametrize("card", CARDS)
def test_cards_are_found(card: str) -> None:
    assert [found[0] for found in secrets.secrets(f"My card is {card}.")] == ["card"]


@pytest.mark.parametrize(
    "text",
    ["4111 1111 1111 1112", "order 4111111111111112", "4.111111111111111", "0.4111111111111111", "1234567890123456",
     "0000 0000 0000 0000", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "rng(4202165767276)",
     "41111111111111111111111", "+49 151 2345 6789 0123"],
)  # fmt: skip
def test_other_numbers_are_no_cards(text: str) -> None:
    assert list(secrets.secrets(text)) == []


@pytest.mark.parametrize("address", ["rosa.klein@uni-basel.ch", "a+b@mail.co.uk", "x@y.io"])
def test_addresses_are_found_whole(address: str) -> None:
    text = f"Write to <{address}>, please."
    ((kind, start, end),) = secrets.secrets(text)
    assert (kind, text[start:end]) == ("address", address)


@pytest.mark.parametrize(
    "text",
    ["me@example.com", "you@mail.example.org", "a@b.test", "name@domain.com", "you@yourcompany.com", "@user said",
     "a@b", "@dataclass(frozen=True)", "git@localhost", "x = a @ b.T", "x\n@pytest.mark.slow",
     "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     "ask-me-anything-about-this-key-now",
     "risk-averse-investors-and-other-people", "hf_hub_download", "-----BEGIN CERTIFICATE-----"],
)  # fmt: skip
def test_examples_and_ordinary_words_are_no_secrets(text: str) -> None:
    assert list(secrets.secrets(text)) == []


def test_every_secret_near_a_witness_is_masked() -> None:
    text = f"Mail rosa@uni.ch or use {KEYS[0]} with 4111111111111111 today."
    measured, _ = judged(secrets, chats([chat("How?", text)]))
    assert [w.note for w in measured.witnesses] == ["key, masked", "card number, masked", "e-mail address, masked"]
    for witness in measured.witnesses:
        assert not any(secret in witness.text for secret in ("rosa@", "4111111", KEYS[0][:8])), witness.text


def test_secrets_in_questions_do_not_count() -> None:
    _, judgement = judged(secrets, chats([chat("I am rosa@uni.ch, what now?", "Wait.")] * 3))
    assert judgement.verdict is Verdict.PASS
    assert "3 answers" in judgement.message


def test_even_many_secrets_only_warn() -> None:
    _, judgement = judged(secrets, chats(chat(f"Q {n}", f"Write to r{n}@uni.ch.") for n in range(50)))
    assert judgement.verdict is Verdict.WARN and "50 e-mail addresses, in 50 rows" in judgement.message


def test_check_digits_are_those_of_the_norm() -> None:
    chance = Random(0)
    cards = ["4" + "".join(chance.choice("0123456789") for _ in range(15)) for _ in range(500)]
    assert 30 < sum(map(secrets.is_card, cards)) < 70, "one number in ten has the right check digit"


def test_clean_real_data_pass(shared: Path) -> None:
    verdicts = {name: judged(secrets, one)[1].verdict for name, one in clean(shared).items()}
    assert set(verdicts.values()) == {Verdict.PASS}, verdicts
