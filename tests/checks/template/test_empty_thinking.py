from __future__ import annotations

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import empty_thinking as check
from sanetune.data.template.chat_template import CHATML
from sanetune.finding import Judgement, Verdict
from tests.checks.template_material import conversations, judged, plain, shipped, template
from tests.data.chats import reply, user

CHAT = [user("Where is my parcel?"), reply("It left on Monday, at 9:30.")]
REASONED = [user("2 + 2?"), reply("4", reasoning_content="two and two")]


def verdict(source: str, *chats: list[dict[str, object]], **more: object) -> Judgement:
    return judged(check, check.measure(template(source), conversations(*(chats or (CHAT,)), **more)))


def test_an_empty_block_that_the_model_has_to_write_warns() -> None:
    judgement = verdict(shipped()["qwen3"])
    assert judgement.verdict is Verdict.WARN
    assert "1 of 1 conversations" in judgement.message


def test_a_block_that_the_prompt_gives_is_masked() -> None:
    more = {"template_kwargs": {"enable_thinking": False}}
    assert verdict(shipped()["qwen3"], **more).verdict is Verdict.PASS
    assert verdict(shipped()["qwen3_5_nothink"]).verdict is Verdict.PASS


def test_data_that_reasons_passes() -> None:
    assert verdict(shipped()["qwen3"], REASONED).verdict is Verdict.PASS
    assert verdict(shipped()["qwen3"], REASONED, CHAT).verdict is Verdict.PASS


def test_templates_without_thinking_pass() -> None:
    for source in (CHATML, shipped()["llama3"], shipped()["qwen2_5"]):
        assert verdict(source).verdict is Verdict.PASS


def test_plain_text_is_not_judged() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(template(), plain())
    with pytest.raises(NotApplicableError):
        check.measure(None, plain())
