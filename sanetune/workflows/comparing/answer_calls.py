"""Calls of tools: those of the data, and whether an answer calls a tool as the prompt declares it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sanetune.checks.rows._calls import call_faults
from sanetune.data.conversation import Conversation, Message
from sanetune.data.tool_calls import call_lines, tool_calls
from sanetune.data.written_calls import LONGEST, written_calls
from sanetune.engine.answer import Answer
from sanetune.errors import DataError, Place
from sanetune.workflows.comparing.result import AskedPrompt

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared

OWN_FAULTS = frozenset(("unparsed", "refused", "undeclared"))
"""Faults of a call itself; others are of its result, which is not there yet."""


def calls_rightly(answer: Answer, tools: list[dict[str, Any]] | None) -> bool:
    """Return whether ``answer`` holds calls, each of a declared tool with arguments that its schema takes.

    >>> tool = {"name": "weather", "parameters": {"type": "object", "required": ["city"]}}
    >>> text = '<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>'
    >>> calls_rightly(Answer(text, True, 9), [tool]), calls_rightly(Answer("It rains.", True, 3), [tool])
    (True, False)

    Args:
        answer: What a model wrote.
        tools: Schemas of the tools that its prompt declares.
    """
    try:
        found = [call for value in written_calls((answer.raw or answer.text)[:LONGEST]) for call in tool_calls(value)]
    except DataError:
        return False
    if not found:
        return False
    message = {"role": "assistant", "content": "", "tool_calls": found}
    faults = call_faults(Conversation([message], Place(), tools=tools))
    return not any(fault.kind in OWN_FAULTS for fault in faults)


def answer_in_data(prepared: Prepared, prompt: AskedPrompt) -> Message:
    """Return the message that answers ``prompt`` in the data; an empty one where it is a prompt of the user's own."""
    if prompt.split is None or prompt.number is None:
        return {}
    messages = prepared.conversation(prompt.split, prompt.number).messages
    return next((one for one in reversed(messages) if one["role"] == "assistant"), {})


def with_calls(prepared: Prepared, prompt: AskedPrompt) -> AskedPrompt:
    """Return ``prompt`` with the calls of its answer in the data below the text of it, a line of JSON for each."""
    lines = call_lines(answer_in_data(prepared, prompt))
    return replace(prompt, reference="\n".join(filter(None, [prompt.reference, lines]))) if lines else prompt
