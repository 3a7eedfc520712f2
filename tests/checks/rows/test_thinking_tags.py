"""Thinking tags without a partner are found; tags that are quoted, or that a template completes, are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trl

from sanetune.checks.base import NotApplicableError
from sanetune.checks.rows import thinking_tags
from sanetune.checks.rows._thinking import tag_faults
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.finding import Verdict
from tests.checks.chats import chat, chats, clean, judged

PLAIN = ChatTemplate(CHATML)


def faults(text: str, template: ChatTemplate | None = PLAIN, **more: Any) -> list[str]:
    return list(tag_faults({"role": "assistant", "content": text, **more}, template))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>Hm.</think>Yes.", []),
        ("<think>\nHm.\n</think>\n\nYes.", []),
        ("[THINK]Hm.[/THINK]Yes.", []),
        ("<think>\nHm.\n</think>\nA.\n<think>\nMore.\n</think>\nB.", []),
        ("<think>The tag <think> opens it.</think>Yes.", []),
        ("Write your thoughts between <think> and </think> tags, please.", []),
        ("Use:\n```\n<think>\n```\nand go on.", []),
        ("The tag `</think>`\n closes it.", []),
        ("<think>Hm. Yes.", ["unclosed"]),
        ("<thinking>\nHm.\n", ["unclosed"]),
        ("[THINK]Hm.", ["unclosed"]),
        ("<think>\n<think>\nHm.\n</think>\nYes.", ["nested"]),
        ("<think><think>Hm.</think></think>Yes.", ["nested", "unopened"]),
        ("<think>\nHm.\n<think>\nMore.\n", ["nested", "unclosed"]),
        ("Hm.\n</think>\n\nYes.", ["unopened"]),
        ("<think>Hm.</think>Yes.</think>", ["unopened"]),
        ("Yes.", []),
    ],
)
def test_tags_without_a_partner_are_named(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


def test_a_closing_tag_alone_is_right_where_the_template_opens_it() -> None:
    text = "Hm.\n</think>\n\nYes."
    folder = Path(trl.__file__).parent / "chat_templates"
    assert faults(text, ChatTemplate((folder / "qwen3.jinja").read_text())) == []
    prompted = ChatTemplate(CHATML.replace("assistant\\n'", "assistant\\n<think>\\n'"))
    assert faults(text, prompted) == [] and faults(text, None) == ["unopened"]


def test_reasoning_in_a_field_of_its_own_needs_no_tags() -> None:
    assert faults("Yes.", reasoning_content="Hm.") == []
    assert faults("<think>Hm.</think>Yes.", reasoning_content="Hm.") == ["twice"]
    assert faults("Yes.", reasoning_content="<think>Hm.</think>") == ["twice"]


def test_the_share_of_broken_answers_decides() -> None:
    sound = [chat("Why?", "<think>Hm.</think>Because.") for _ in range(50)]
    broken = [chat("Why?", "<think>Hm. Because.") for _ in range(8)]
    measured, judgement = judged(thinking_tags, chats([*sound, *broken[:1], chat("Hi", "Hello")]), PLAIN)
    assert judgement.verdict is Verdict.WARN
    assert "Of 51 answers with reasoning: 1 (2 %) never close a tag." in judgement.message
    assert measured.witnesses[0].place.message == 1
    assert judged(thinking_tags, chats([*sound, *broken]), PLAIN)[1].verdict is Verdict.FAIL


def test_data_without_reasoning_are_a_skip(shared: Path) -> None:
    for name, store in clean(shared).items():
        with pytest.raises(NotApplicableError, match="no answer has reasoning"):
            print(name, judged(thinking_tags, store, PLAIN))
