"""One conversation as a line of a provider's training file, with our masks as weights of messages.

What a provider cannot express leaves the row out, with the reason: an exported row means there what it means here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sanetune.config.section import LossOn
from sanetune.data.conversation import Conversation, Message
from sanetune.workflows.provider_export.providers import Provider

Line = dict[str, Any]
"""A line of the file, as JSON."""


class LeftOutError(Exception):
    """A row that the provider cannot be given; the text is the reason, the same for all rows of its kind."""


def line_of(conversation: Conversation, provider: Provider, loss_on: LossOn) -> Line:
    """Return a conversation in the shape of ``provider``.

    Args:
        conversation: As it is read.
        provider: Whose API it is for.
        loss_on: Which turns are in the loss.

    Raises:
        LeftOutError: It cannot be expressed there.
    """
    if conversation.text is not None or loss_on == "all":
        raise LeftOutError("plain text, or prompts in the loss: the provider trains on assistant messages alone")
    if conversation.template_kwargs:
        raise LeftOutError("it sets variables of the chat template, which the provider does not have")
    conversation = _until_the_last_answer(conversation)
    _require_shape(conversation, provider)
    weights = _weights(conversation, loss_on)
    messages = [_message(message, weights.get(number)) for number, message in enumerate(conversation.messages)]
    _link_calls(messages)
    line: Line = {"messages": messages}
    if conversation.tools:
        line["tools"] = conversation.tools
    return line


def _until_the_last_answer(conversation: Conversation) -> Conversation:
    """The conversation without what follows its last assistant message: nothing of that is learned, here or there."""
    turns = [number for number, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    return replace(conversation, messages=conversation.messages[: turns[-1] + 1 if turns else 0])


def _require_shape(conversation: Conversation, provider: Provider) -> None:
    messages = conversation.messages
    roles = [message["role"] for message in messages]
    if unknown := sorted(set(roles) - set(provider.roles)):
        raise LeftOutError(f"it has messages of the role {', '.join(unknown)}")
    if not roles:
        raise LeftOutError("it has no assistant message")
    if not provider.takes_tools and (conversation.tools or any(message.get("tool_calls") for message in messages)):
        raise LeftOutError("it has tools, which the provider's page on data does not describe")
    if provider.most_tools is not None and len(conversation.tools or ()) > provider.most_tools:
        raise LeftOutError(f"it has more than {provider.most_tools} tools")
    if any(message.get("reasoning_content") for message in messages):
        raise LeftOutError("it has reasoning, which messages of the provider have no place for")
    if provider.alternates and roles[roles[0] == "system" :] != ["user", "assistant"] * (len(roles) // 2):
        raise LeftOutError("user and assistant do not take turns")


def _weights(conversation: Conversation, loss_on: LossOn) -> dict[int, int]:
    """Weight of each assistant message that is not to be learned: 0; the others have none, which is 1."""
    if any(part.end is not None for part in conversation.masked):
        raise LeftOutError("only a part of a message is in the loss, and weights are of whole messages")
    turns = [number for number, message in enumerate(conversation.messages) if message["role"] == "assistant"]
    masked = {part.message for part in conversation.masked}
    if loss_on == "last":
        masked |= set(turns[:-1])
    if not set(turns) - masked:
        raise LeftOutError("none of its messages is in the loss")
    return {number: 0 for number in turns if number in masked}


def _message(message: Message, weight: int | None) -> Message:
    made: Message = {"role": message["role"], "content": message["content"]}
    made |= {key: message[key] for key in ("name", "tool_call_id") if key in message}
    if calls := message.get("tool_calls"):
        made["tool_calls"] = [_call(call) for call in calls]
        if not message["content"]:
            del made["content"]
    return made if weight is None else made | {"weight": weight}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = function["arguments"]
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    identity = {"id": call["id"]} if call.get("id") else {}
    return identity | {"type": "function", "function": {"name": function["name"], "arguments": text}}


def _link_calls(messages: Sequence[Message]) -> None:
    """Give each call an id and each result that of its call, where the row has none: results come in the calls' order.

    Raises:
        LeftOutError: There are results without a call, or calls without a result before the next turn.
    """
    waiting: list[str] = []
    count = 0
    for message in messages:
        if message["role"] == "tool":
            if not waiting:
                raise LeftOutError("it has a result of a tool that nothing has called")
            first = waiting.pop(0) if "tool_call_id" not in message else str(message["tool_call_id"])
            message["tool_call_id"] = first
            waiting = [one for one in waiting if one != first]
            continue
        if waiting:
            raise LeftOutError("it has a call of a tool without its result")
        for call in message.get("tool_calls", ()):
            count += 1
            call.setdefault("id", f"call_{count}")
            waiting.append(call["id"])
