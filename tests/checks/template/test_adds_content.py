from __future__ import annotations

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import adds_content as check
from sanetune.data.template.chat_template import CHATML
from sanetune.finding import Verdict
from tests.checks.template_material import conversations, judged, plain, shipped, template
from tests.data.chats import reply, system, user

CHAT = [user("Where is my parcel?"), reply("It left on Monday, at 9:30.")]


def message(source: str, *chats: list[dict[str, object]]) -> str:
    judgement = judged(check, check.measure(template(source), conversations(*(chats or (CHAT,)))))
    assert judgement.verdict is Verdict.PASS  # advice
    return judgement.message


def test_a_default_system_prompt_is_quoted_and_counted() -> None:
    said = message(shipped()["qwen2_5"], CHAT, [system("You are Rosa."), *CHAT])
    assert "in 1 of 2 conversations text of its own, as 'You are Qwen, created by" in said


def test_the_date_of_today_is_found_by_rendering_at_two_dates() -> None:
    assert "today's date in 1" in message(shipped()["llama3_2"])


def test_a_preamble_that_is_far_longer_than_the_rows_warns() -> None:
    source = "{{ 'These are the rules of the house. ' * 40 }}\n" + CHATML
    judgement = judged(check, check.measure(template(source), conversations([user("7?"), reply("8")])))
    assert judgement.verdict is Verdict.WARN


def test_headers_and_ends_are_no_text() -> None:
    for name in ("qwen3", "llama3", "gemma3", "phi3", "deepseekv3"):
        assert "adds headers and ends, and no text" in message(shipped()[name]), name
    assert "no text" in message(CHATML)


def test_rows_without_messages_are_not_judged() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(template(), plain())
    with pytest.raises(NotApplicableError):
        check.measure(None, plain())
