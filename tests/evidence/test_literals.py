"""What a template writes around messages, read off a small conversation."""

from __future__ import annotations

from sanetune.data.conversation import Conversation
from sanetune.data.template.chat_template import CHATML, ChatTemplate
from sanetune.errors import Place
from sanetune.evidence.template_literals import Literals
from sanetune.evidence.text_spans import find

ONE_QUESTION = "{% if messages | length > 2 %}{{ raise_exception('One question at a time') }}{% endif %}"
DEFAULT_SYSTEM = "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}"


def literals(source: str) -> Literals:
    return Literals.of(ChatTemplate(source, {}), ("<|endoftext|>",))


def test_a_template_that_takes_one_question_only_is_read_off_one_question() -> None:
    assert literals(ONE_QUESTION + CHATML) == literals(CHATML)
    assert literals(CHATML).ends == ("<|im_end|>", "<|endoftext|>")


def test_the_next_header_is_no_end_where_turns_have_none() -> None:
    assert literals(CHATML.replace("<|im_end|>", "")).ends == ("<|endoftext|>",)


def test_an_end_that_precedes_the_first_question_too_is_an_end() -> None:
    assert literals(DEFAULT_SYSTEM + CHATML).ends == literals(CHATML).ends


def test_a_template_that_renders_no_question_has_no_headers() -> None:
    assert literals("{{ raise_exception('never') }}") == Literals({}, ("<|endoftext|>",))


def test_a_tool_called_think_is_not_looked_for_in_an_empty_thought() -> None:
    call = {"type": "function", "function": {"name": "think", "arguments": {"thought": "well"}}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    asked, thought = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<think>\n\n</think>\n\n"
    text = asked + thought + '{"name": "think", "arguments": {"thought": "well"}}<|im_end|>\n'
    found = find(text, Conversation(messages, Place()), literals(CHATML))
    first = next(span for span in found.spans if span.role == "assistant")
    assert first.start == text.index('think", "arg')
