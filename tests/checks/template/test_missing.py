"""template-missing: conversations without a template."""

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import missing as check
from sanetune.finding import Verdict
from tests.checks.template_material import Words, all_kinds, chats, conversations, judged, plain, template
from tests.data.chats import KINDS


def test_conversations_without_a_template_fail_with_the_fix() -> None:
    found = check.measure(all_kinds(), Words(chat_template=None), None)
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.FAIL
    assert "5 of 5 rows" in judgement.message
    assert judgement.fix == {"model.chat_template": "chatml"}
    assert found.witnesses[0].place is not None and found.witnesses[0].place.line == 1


def test_with_a_template_it_passes() -> None:
    assert judged(check, check.measure(all_kinds(), Words(), template())).verdict is Verdict.PASS


def test_plain_text_needs_none() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(plain(), Words(chat_template=None), None)


def test_one_conversation_among_texts_is_enough_also_in_validation() -> None:
    both = chats(plain().train, conversations(KINDS["one turn"]).train)
    assert "1 of 2 rows" in judged(check, check.measure(both, Words(chat_template=None), None)).message


def test_templates_without_a_default_are_named() -> None:
    tokenizer = Words(chat_template={"rag": "x", "tool_use": "y"})
    assert "rag, tool_use" in judged(check, check.measure(all_kinds(), tokenizer, None)).message
