"""Orders of turns that no inference will have are found; tools and several system messages are understood."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import roles as rows_roles
from sanetune.data.conversation import Conversation
from sanetune.errors import Place
from sanetune.finding import Verdict
from tests.checks.chats import chats, clean, judged, roles


@pytest.mark.parametrize(
    "sound", ["u a", "s u a", "s s u a u a", "u c t a", "u c t t a", "u c t c t a u a", "s u c", "u c a", "u a u c t a"]
)
def test_usual_orders_are_sound(sound: str) -> None:
    assert rows_roles.faults(roles(sound)) == {}


@pytest.mark.parametrize(
    ("order", "kind", "message"),
    [
        ("s a", "no_user", 0),
        ("u a a", "assistant_twice", 2),
        ("u u a", "user_twice", 1),
        ("u s a", "system_inside", 1),
        ("u a s u a", "system_inside", 2),
        ("u a u", "ends_open", 2),
        ("u c t", "ends_open", 2),
        ("u", "ends_open", 0),
    ],
)
def test_each_fault_is_named_at_its_message(order: str, kind: str, message: int) -> None:
    assert rows_roles.faults(roles(order)) == {kind: message}


def test_a_few_broken_rows_warn_and_many_fail() -> None:
    sound = [roles("u a") for _ in range(95)]
    measured, judgement = judged(rows_roles, chats([*sound, *(roles("u a a") for _ in range(5))]))
    assert judgement.verdict is Verdict.WARN
    assert "5 (5 %) with two turns of the assistant in a row" in judgement.message
    assert measured.witnesses[0].place == Place("chats.jsonl", 96, 95, 2)
    _, judgement = judged(rows_roles, chats([*sound[:18], roles("u a a"), roles("u a a")]))
    assert judgement.verdict is Verdict.WARN, "two rows are slips, whatever their share"
    _, judgement = judged(rows_roles, chats([*sound[:27], *(roles("u a a") for _ in range(3))]))
    assert judgement.verdict is Verdict.FAIL, "a tenth"


@pytest.mark.parametrize(("order", "message"), [("a u", 0), ("s a u", 1), ("a u a u", 0)])
def test_rows_that_begin_with_the_assistant_and_end_on_the_user_are_turned(order: str, message: int) -> None:
    assert rows_roles.faults(roles(order))["turned"] == message


def test_many_turned_rows_fail_and_a_few_greetings_do_not() -> None:
    _, judgement = judged(rows_roles, chats([roles("a u")] * 20))
    assert judgement.verdict is Verdict.FAIL
    assert "20 (100 %) that begin with the assistant and end on the user" in judgement.message
    _, judgement = judged(rows_roles, chats([roles("u a")] * 195 + [roles("a u a u")] * 5))
    assert judgement.verdict is Verdict.WARN
    assert rows_roles.faults(roles("a u a")) == {}, "a greeting first"


def test_rows_without_any_answer_fail_when_they_are_most() -> None:
    _, judgement = judged(rows_roles, chats([roles("u")] * 5 + [roles("u a")] * 5))
    assert judgement.verdict is Verdict.FAIL
    assert "5 have no answer at all" in judgement.message


def test_rows_that_end_on_the_user_warn() -> None:
    _, judgement = judged(rows_roles, chats([roles("u a u")] * 20))
    assert judgement.verdict is Verdict.WARN
    assert "20 (100 %) that end on another turn" in judgement.message


def test_two_messages_of_the_user_in_one_of_many_rows_pass() -> None:
    rare = [roles("u u a"), *(roles("u a") for _ in range(150))]
    assert judged(rows_roles, chats(rare))[1].verdict is Verdict.PASS
    assert judged(rows_roles, chats(rare[:60]))[1].verdict is Verdict.WARN


def test_plain_text_has_no_roles() -> None:
    with pytest.raises(NotApplicableError):
        rows_roles.measure(chats([Conversation([], Place("a.txt", 1, 0), text="words")] * 3))


@given(st.lists(st.sampled_from("suact"), min_size=1, max_size=12))
def test_any_order_is_judged_without_an_error(order: list[str]) -> None:
    found = rows_roles.faults(roles(" ".join(order)))
    assert set(found) <= set(rows_roles.KINDS)
    assert all(0 <= index < len(order) for index in found.values())


def test_clean_real_data_pass(shared: Path) -> None:
    verdicts = {name: judged(rows_roles, one)[1].verdict for name, one in clean(shared).items()}
    assert set(verdicts.values()) == {Verdict.PASS}, verdicts
