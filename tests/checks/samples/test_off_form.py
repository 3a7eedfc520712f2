"""Answers without the form that the training answers share are caught; data without a form ask for none."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.samples import off_form
from sanetune.checks.samples._output_format import output_formats
from sanetune.finding import Judgement, Verdict
from tests.checks.chats import chat, chats, judged
from tests.checks.sampling import BABBLE, STORIES, cut, done, sampled

ENGLISH = "the order of your parcel is on its way to us and it will be with you in a day or two we are sorry"
GERMAN = "die Bestellung ist auf dem Weg und wir danken für die Geduld mit der Post in dieser Woche"


def prose(number: int, words: str = ENGLISH, least: int = 12, most: int = 40) -> str:
    chance = Random(number)
    return " ".join(chance.choices(words.split(), k=chance.randint(least, most))).capitalize() + "."


def parsed(number: int) -> str:
    return json.dumps({"label": prose(number, most=14), "score": number})


def letter(number: int) -> str:
    return f"Dear {'Ann' if number % 2 else 'Bob'},\n\n{prose(number)}\n\nBest regards,\nyour shop team"


def found(
    write: Callable[[int], str], tuned: Sequence[Any], base: Any = (), rows: int = 200, **changed: Any
) -> tuple[Any, Judgement]:
    """Training answers and references as ``write`` makes them."""
    references = [write(1_000 + n) for n in range(len(tuned))]
    training = chats(chat(f"Question {n}?", write(n)) for n in range(rows))
    return judged(off_form, sampled(tuned, base, references, **changed), training)


def test_prose_instead_of_json_fails() -> None:
    measured, judgement = found(parsed, [done(prose(n)) for n in range(20)])
    assert judgement.verdict is Verdict.FAIL
    assert "100 % of the training answers are such that each is JSON that parses" in judgement.message
    assert "of 20 answers 20 are not (base: 20)" in judgement.message
    assert len(measured.witnesses) == 5 and "JSON" in measured.witnesses[0].note


def test_answers_in_the_form_pass_and_say_which() -> None:
    _, judgement = found(parsed, [done(parsed(n)) for n in range(20)])
    assert judgement.verdict is Verdict.PASS and "is JSON that parses" in judgement.message


def test_json_that_is_not_quite_right_yet_only_warns() -> None:
    _, judgement = found(parsed, [done(parsed(n)[:-3]) for n in range(20)])
    assert judgement.verdict is Verdict.WARN and "and they come nearer" in judgement.message


def test_json_with_other_keys_warns() -> None:
    _, judgement = found(parsed, [done('{"answer": "the order is on its way to you and us"}')] * 20)
    assert judgement.verdict is Verdict.WARN and "is JSON with label, score" in judgement.message


@pytest.mark.parametrize(("lacking", "verdict"), [(5, "pass"), (9, "warn"), (13, "warn"), (14, "fail")])
def test_a_few_answers_may_miss_it(lacking: int, verdict: str) -> None:
    tuned = [*(done(prose(n)) for n in range(lacking)), *(done(parsed(n)) for n in range(20 - lacking))]
    base = [*[cut(STORIES[0])] * lacking, *(done(parsed(n)) for n in range(20 - lacking))]
    assert found(parsed, tuned, base)[1].verdict == verdict


def test_a_closing_that_is_missing_fails_and_one_that_is_there_passes() -> None:
    short = [done(letter(n).partition("\n\nBest")[0]) for n in range(20)]
    _, judgement = found(letter, short)
    assert judgement.verdict is Verdict.FAIL and 'Best regards,\\nyour shop team"' in judgement.message
    assert found(letter, [done(letter(n)) for n in range(20)])[1].verdict is Verdict.PASS


def test_a_line_that_every_answer_has_is_asked_for() -> None:
    def sums(number: int) -> str:
        return f"{prose(number)}\n#### {number}"

    _, judgement = found(sums, [done(prose(n)) for n in range(20)])
    assert judgement.verdict is Verdict.FAIL and 'has a line that begins with "####"' in judgement.message
    assert found(sums, [done(sums(n)) for n in range(20)])[1].verdict is Verdict.PASS


def test_another_language_fails() -> None:
    _, judgement = found(lambda n: prose(n, GERMAN), [done(prose(n)) for n in range(20)])
    assert judgement.verdict is Verdict.FAIL and "common words of the training answers" in judgement.message
    assert found(lambda n: prose(n, GERMAN), [done(prose(n, GERMAN)) for n in range(50, 70)])[1].verdict is Verdict.PASS


def test_another_script_fails_although_answers_do_not_end() -> None:
    russian = "заказ уже в пути и будет у вас через день или два мы просим прощения"
    _, judgement = found(lambda n: prose(n, russian), [cut(prose(n)) for n in range(20)])
    assert judgement.verdict is Verdict.FAIL and "Cyrillic letters" in judgement.message


def test_labels_that_become_sentences_fail() -> None:
    def label(number: int) -> str:
        return ("positive", "negative", "neutral")[number % 3]

    _, judgement = found(label, [done(prose(n)) for n in range(20)])
    assert judgement.verdict is Verdict.FAIL and "is one of 3 answers" in judgement.message
    # The wrong label is a matter of skill, not of form.
    assert found(label, [done("neutral")] * 20)[1].verdict is Verdict.PASS


def test_far_too_long_answers_fail() -> None:
    _, judgement = found(
        lambda n: prose(n, most=14), [done(" ".join(prose(n + i) for i in range(12))) for n in range(20)]
    )
    assert judgement.verdict is Verdict.FAIL and "characters long" in judgement.message


def test_weak_babble_in_prose_is_in_form() -> None:
    rows = [f"{one[:-1]} and {n}." for n in range(20) for one in BABBLE]
    assert found(lambda n: rows[n % len(rows)], [done(one) for one in BABBLE])[1].verdict is Verdict.PASS


def test_mixed_data_ask_for_no_form() -> None:
    writers = [lambda n: prose(n, most=200), parsed, letter, lambda n: f"# Title {n}\n\n- {prose(n)}\n- {prose(n + 1)}"]

    def mixed(number: int) -> str:
        return writers[number % 4](number)

    assert found(mixed, [done(prose(n)) for n in range(20)])[1].verdict is Verdict.PASS


def test_answers_that_do_not_end_are_not_asked_for_their_ends() -> None:
    """That they do not end is samples-no-stop."""
    _, judgement = found(letter, [cut(letter(n).partition("\n\nBest")[0]) for n in range(20)])
    assert judgement.verdict is Verdict.PASS


def test_thoughts_before_the_answer_are_not_its_form() -> None:
    tuned = [done(f"<think>\nLet me see.\n</think>\n\n{parsed(n)}") for n in range(20)]
    assert found(parsed, tuned)[1].verdict is Verdict.PASS


def test_prompts_whose_reference_has_another_form_are_left_out() -> None:
    def most(number: int) -> str:
        return prose(number) if number >= 1_000 else parsed(number)

    _, judgement = found(most, [done(prose(n)) for n in range(20)])
    assert judgement.verdict is Verdict.PASS


def test_what_cannot_be_reported_is_skipped() -> None:
    with pytest.raises(NotApplicableError, match="20 training answers are too few"):
        found(parsed, [done(prose(n)) for n in range(20)], rows=20)
    with pytest.raises(NotApplicableError, match="3 held-out rows"):
        found(parsed, [done(prose(n)) for n in range(3)])
    training = chats(chat(f"Question {n}?", parsed(n)) for n in range(50))
    with pytest.raises(NotApplicableError, match="0 held-out rows"):
        judged(off_form, sampled([done("a")] * 8, references=[None] * 8), training)


def test_a_short_trial_only_warns() -> None:
    assert found(parsed, [done(prose(n)) for n in range(20)], steps=20)[1].verdict is Verdict.WARN


def test_hostile_answers_are_only_text() -> None:
    deep = "[" * 100_000
    _, judgement = found(parsed, [done(deep)] * 20)
    assert judgement.verdict is not Verdict.PASS
    assert output_formats([], 0.95, 3) == []
