"""The tool calls of a conversation, and what is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from sanetune.checks.rows._argument_schemas import refusal
from sanetune.data.conversation import Conversation, Message
from sanetune.data.json_types import Json
from sanetune.text import did_you_mean, quote

_IN_TEXT = re.compile(r"^[ \t]*<tool_call>\s*(\{.*?)\s*(?:</tool_call>|\Z)", re.MULTILINE | re.DOTALL)
_RESULT_IN_TEXT = re.compile(
    r"\s*(<tool_response|<\|?tool_result|\[TOOL_RESULTS\]|observation\s*:|function response)", re.IGNORECASE
)
_CODE = frozenset({"python", "ipython", "code_interpreter", "bash", "shell"})
"""Tools that take a program as text."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a call or a result: its kind, the index of its message, and the particulars."""

    kind: str
    message: int
    detail: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call: the name of the tool (None where the call cannot be read) and its arguments."""

    name: str | None
    arguments: Json


def uses_tools(conversation: Conversation) -> bool:
    """Return whether there is a call or a tool's result in a conversation."""
    return any(m["role"] == "tool" or m.get("tool_calls") or _text_calls(m) for m in conversation.messages)


def call_faults(conversation: Conversation) -> list[Fault]:
    """Return all that is wrong with the calls and results of a conversation, in the order of its messages."""
    schemas = _declared(conversation)
    described = _said_before_answers(conversation)
    found: list[Fault] = []
    for index, message in enumerate(conversation.messages):
        given = [_call(one) for one in message.get("tool_calls") or ()]
        for call in [*given, *_text_calls(message)]:
            found.extend(Fault(kind, index, detail) for kind, detail in _faults_of(call, schemas, described))
        if given and not schemas and (unknown := [c for c in given if not _mentioned(c.name, described)]):
            found.append(Fault("none_declared", index, f"calls {quote(unknown[0].name, 60)}"))
    found.extend(_order_faults(conversation.messages))
    return sorted(found, key=lambda fault: fault.message)


def _declared(conversation: Conversation) -> dict[str, Json]:
    """Name -> schema of the arguments of every tool that the row declares; None where it has no schema."""
    found: dict[str, Json] = {}
    for tool in conversation.tools or ():
        function = tool.get("function", tool)
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            found[function["name"]] = function.get("parameters", function.get("input_schema"))
    return found


def _said_before_answers(conversation: Conversation) -> str:
    """All that the system and the user say: tools may be described there, too."""
    return "\n".join(m["content"] for m in conversation.messages if m["role"] in ("system", "developer", "user"))


def _mentioned(name: str | None, described: str) -> bool:
    return name is None or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", described) is not None


def _call(value: Mapping[str, Json]) -> Call:
    function = value["function"]
    assert isinstance(function, dict)
    return Call(str(function["name"]), function.get("arguments"))


def _text_calls(message: Message) -> list[Call]:
    """Calls that an answer writes as JSON between tags, as Hermes and Qwen do."""
    if message["role"] != "assistant" or "<tool_call>" not in message["content"]:
        return []
    found = []
    for match in _IN_TEXT.finditer(message["content"]):
        try:
            value = orjson.loads(match[1])
        except ValueError:
            found.append(Call(None, match[1]))
            continue
        function = value.get("function", value)
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            found.append(Call(function["name"], function.get("arguments", function.get("parameters"))))
    return found


def _faults_of(call: Call, schemas: dict[str, Json], described: str) -> Iterator[tuple[str, str]]:
    arguments = call.arguments
    if isinstance(arguments, str) and call.name not in _CODE:
        text = arguments
        try:
            arguments = orjson.loads(text) if text.strip() else {}
        except ValueError:
            yield "unparsed", _why_unparsed(text)
            return
        if not isinstance(arguments, dict):
            yield "unparsed", "the arguments are not an object"
            return
    if call.name is None or not schemas:
        return
    if call.name not in schemas:
        if not _mentioned(call.name, described):
            yield "undeclared", f"{quote(call.name, 60)} is not declared. {did_you_mean(call.name, schemas)}".strip()
    elif isinstance(arguments, dict) and (reason := refusal(schemas[call.name], arguments)):
        yield "refused", f"{quote(call.name, 60)}: {reason}"


def _why_unparsed(arguments: str) -> str:
    import ast

    try:
        ast.literal_eval(arguments[:10_000].strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        opened = arguments.count("{") + arguments.count("[") - arguments.count("}") - arguments.count("]")
        return "a bracket is not closed" if opened > 0 else "not JSON"
    return "written as Python, not as JSON"


def _order_faults(messages: list[Message]) -> Iterator[Fault]:
    """Calls that get no result before the conversation goes on, and results that no call asked for."""
    index = 0
    while index < len(messages):
        message = messages[index]
        first = index + 1
        index = first
        while index < len(messages) and messages[index]["role"] == "tool":
            index += 1
        results = messages[first:index]
        if message["role"] == "tool":  # at the very beginning: no call can precede it
            yield Fault("uncalled", first - 1, "no call precedes it")
        elif message["role"] == "assistant":
            goes_on = index < len(messages) and not _RESULT_IN_TEXT.match(messages[index]["content"])
            yield from _matched(message, results, first, goes_on)
        elif results:
            yield Fault("uncalled", first, f"it follows a message of the {message['role']}")


def _matched(message: Message, results: list[Message], first: int, goes_on: bool) -> Iterator[Fault]:
    calls = message.get("tool_calls") or []
    if not calls:
        in_text = _text_calls(message)
        if in_text and not results and goes_on:
            yield Fault("unanswered", first - 1, "no result follows")
        if results and not in_text and not _may_call(message["content"]):
            yield Fault("uncalled", first, "the answer before it calls nothing")
        return
    ids = [call.get("id") for call in calls]
    given = [result.get("tool_call_id") for result in results]
    if all(ids) and results and all(given):
        missing, more = Counter(ids) - Counter(given), Counter(given) - Counter(ids)
        if more:
            yield Fault("uncalled", first, f"no call has the id {quote(next(iter(more)), 40)}")
        if missing and goes_on:
            yield Fault("unanswered", first - 1, f"no result has the id {quote(next(iter(missing)), 40)}")
        return
    parts = sum(max(1, result["content"].count("<tool_response>")) for result in results)
    together = len(results) == 1 and results[0]["content"].lstrip()[:1] == "["
    if parts > len(calls) and len(results) > len(calls):
        yield Fault("uncalled", first + len(calls), f"{len(results)} results follow {len(calls)} calls")
    elif goes_on and parts < len(calls) and not together:
        yield Fault("unanswered", first - 1, f"{len(results)} results follow {len(calls)} calls")


def _may_call(text: str) -> bool:
    """Whether an answer may call a tool in its text, in whatever way: with JSON, a tag or code."""
    return any(sign in text for sign in "{<([")
