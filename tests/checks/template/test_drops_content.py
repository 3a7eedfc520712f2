"""template-drops-content: texts that do not survive rendering."""

from collections import Counter

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import drops_content as check
from sanetune.errors import Place
from sanetune.evidence.roles_from_text import DroppedTexts
from sanetune.finding import Verdict, Witness
from tests.checks.template_material import all_kinds, judged, plain


def of(counts: dict[tuple[str, str], int]) -> DroppedTexts:
    return DroppedTexts(Counter(counts), [Witness("text", Place("chats.jsonl", n, n)) for n in range(1, 9)])


def test_nothing_lost_passes() -> None:
    judgement = judged(check, check.measure(DroppedTexts(), all_kinds()))
    assert judgement.verdict is Verdict.PASS
    assert "5 conversations" in judgement.message


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (("system", "content"), "the text of 1 of 1 system messages"),
        (("assistant", "tool_calls"), "the tool call of 1 of 1 assistant messages"),
        (("tool", "content"), "the text of 1 of 1 tool messages"),
    ],
)
def test_a_dropped_message_role_or_call_fails(key: tuple[str, str], words: str) -> None:
    found = check.measure(of({key: 1}), all_kinds())
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.FAIL
    assert words in judgement.message
    assert len(found.witnesses) == 5


def test_reasoning_of_earlier_turns_only_warns() -> None:
    judgement = judged(check, check.measure(of({("assistant", "reasoning_content"): 1}), all_kinds()))
    assert judgement.verdict is Verdict.WARN
    assert "the reasoning of 1 of 2 assistant messages" in judgement.message


def test_all_reasoning_dropped_fails() -> None:
    assert (
        judged(check, check.measure(of({("assistant", "reasoning_content"): 2}), all_kinds())).verdict is Verdict.FAIL
    )


def test_reasoning_does_not_excuse_other_losses() -> None:
    both = of({("assistant", "reasoning_content"): 1, ("system", "content"): 1})
    assert judged(check, check.measure(both, all_kinds())).verdict is Verdict.FAIL


def test_counters_of_zero_are_no_loss() -> None:
    assert judged(check, check.measure(of({("system", "content"): 0}), all_kinds())).verdict is Verdict.PASS


def test_plain_text_is_not_rendered() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(DroppedTexts(), plain())
