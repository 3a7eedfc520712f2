"""template-drops-content: texts that do not survive rendering."""

from collections import Counter

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.template import drops_content as check
from sanetune.errors import Place
from sanetune.evidence.roles_from_text import DroppedTexts
from sanetune.finding import Verdict, Witness
from tests.checks.template_material import all_kinds, conversations, judged, plain, shipped, template
from tests.data.chats import KINDS, TOOLS

WITH_TOOLS = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
)


def of(counts: dict[tuple[str, str], int]) -> DroppedTexts:
    return DroppedTexts(Counter(counts), [Witness("text", Place("chats.jsonl", n, n)) for n in range(1, 9)])


def test_nothing_lost_passes() -> None:
    judgement = judged(check, check.measure(DroppedTexts(), all_kinds(), template(WITH_TOOLS)))
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
    found = check.measure(of({key: 1}), all_kinds(), template(WITH_TOOLS))
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.FAIL
    assert words in judgement.message
    assert len(found.witnesses) == 5


def test_reasoning_of_earlier_turns_only_warns() -> None:
    judgement = judged(
        check, check.measure(of({("assistant", "reasoning_content"): 1}), all_kinds(), template(WITH_TOOLS))
    )
    assert judgement.verdict is Verdict.WARN
    assert "the reasoning of 1 of 2 assistant messages" in judgement.message


def test_all_reasoning_dropped_fails() -> None:
    assert (
        judged(
            check, check.measure(of({("assistant", "reasoning_content"): 2}), all_kinds(), template(WITH_TOOLS))
        ).verdict
        is Verdict.FAIL
    )


def test_reasoning_does_not_excuse_other_losses() -> None:
    both = of({("assistant", "reasoning_content"): 1, ("system", "content"): 1})
    assert judged(check, check.measure(both, all_kinds(), template(WITH_TOOLS))).verdict is Verdict.FAIL


def test_counters_of_zero_are_no_loss() -> None:
    assert (
        judged(check, check.measure(of({("system", "content"): 0}), all_kinds(), template(WITH_TOOLS))).verdict
        is Verdict.PASS
    )


def test_plain_text_is_not_rendered() -> None:
    with pytest.raises(NotApplicableError):
        check.measure(DroppedTexts(), plain(), None)


def test_tools_that_the_template_does_not_write_are_a_warning_with_the_tools_shown() -> None:
    rows = conversations(KINDS["one turn"], KINDS["several turns"], tools=TOOLS)
    found = check.measure(DroppedTexts(), rows, template())  # ChatML knows no tools
    judgement = judged(check, found)
    assert judgement.verdict is Verdict.WARN
    assert judgement.message == "The template leaves out the tools of 2 of 2 conversations that declare some."
    assert TOOLS[0]["function"]["name"] in found.witnesses[0].text


@pytest.mark.parametrize("name", ["qwen3", "llama3_1", "gptoss", "gemma4", "glm4moe"])
def test_templates_that_write_tools_are_not_blamed(name: str) -> None:
    turns = [{"role": "user", "content": "Find A-17."}, {"role": "assistant", "content": "It is shipped."}]
    found = check.measure(DroppedTexts(), conversations(turns, tools=TOOLS), template(shipped()[name]))
    assert found.numbers["with_tools"] == 1 and found.numbers["tools_lost"] == 0


def test_tools_that_only_the_last_question_takes_are_counted_by_conversation() -> None:
    last = (
        "{% for m in messages %}{% if tools and loop.last %}{{ tools | tojson }}{% endif %}{{ m.content }}{% endfor %}"
    )
    rows = conversations(KINDS["one turn"], tools=TOOLS)
    assert check.measure(DroppedTexts(), rows, template(last)).numbers["tools_lost"] == 0


def test_tools_that_the_system_text_names_are_not_left_out() -> None:
    """Data for function calling often hold the tools twice, for templates without them."""
    deaf = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    named = " ".join(tool["function"]["name"] for tool in TOOLS)
    chat = [{"role": "system", "content": f"You may call {named}."}, *KINDS["one turn"]]
    found = check.measure(DroppedTexts(), conversations(chat, tools=TOOLS), template(deaf))
    assert judged(check, found).verdict is Verdict.PASS
    for other in ([{"role": "system", "content": "Be brief."}, *KINDS["one turn"]], KINDS["one turn"]):
        found = check.measure(DroppedTexts(), conversations(other, tools=TOOLS), template(deaf))
        assert judged(check, found).verdict is Verdict.WARN
