"""Tool calls do not come back from the server as calls.

## What it does
Asks the server, as a client does, the held-out prompts that offer tools and that the trained model answers with a call.
The reply has to have `tool_calls` with the function's name, and arguments that are an object.

It is skipped where no held-out prompt offers tools, or the trained model calls none of them.

## Why is this bad?
A client sees text where it waits for a call, and no tool is ever run.

## Example
The server does not know the form in which the model writes calls, and passes it on as text:

```json
{"content": "<tool_call>{'name': 'weather'}</tool_call>"}
```

## Use instead
Start the server with the parser of the model's form of calls.

For vLLM: `--enable-auto-tool-choice --tool-call-parser hermes` (or the one of your template); for llama.cpp: `--jinja`.

```json
{"tool_calls": [{"function": {"name": "weather", "arguments": "{}"}}]}
```

## Known problems
A call with other arguments than the trained model's warns only: a server that rounds may answer differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.data.tool_calls import tool_calls
from sanetune.data.written_calls import LONGEST, written_calls
from sanetune.errors import DataError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results.served import ChatPair

FIX = "none"


def measure(served_chats: list[ChatPair]) -> Measurement:
    """Counts replies whose calls are missing, or are others."""
    offered = [pair for pair in served_chats if pair.trained.prompt.tools]
    if not offered:
        raise NotApplicableError("no held-out prompt offers tools")
    calling = [(pair, calls) for pair in offered if (calls := _written(pair.trained.answer.raw))]
    if not calling:
        raise NotApplicableError(
            f"the trained model ends no call within the tokens asked for ({len(offered)} prompts offer tools)"
        )
    missing = [pair for pair, calls in calling if not pair.served.tool_calls]
    unread = [pair for pair in missing if _written(pair.served.content)]
    other = [
        pair for pair, calls in calling if pair.served.tool_calls and _said(pair.served.tool_calls) != _said(calls)
    ]
    numbers = {"calling": len(calling), "lost": len(missing), "unread": len(unread), "other": len(other)}
    bad = [Witness(one.served.content, one.trained.place, "the reply, without calls") for one in [*unread, *missing]]
    bad += [Witness(str(_said(one.served.tool_calls)), one.trained.place, "another call") for one in other]
    return Measurement(numbers, bad[:MOST_WITNESSES])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["unread"]:
        return failed(f"{n['unread']:,} of {n['calling']:,} tool calls come back as text, which a client does not run")
    if n["lost"]:
        return failed(f"{n['lost']:,} of {n['calling']:,} prompts that the trained model answers with a call get none")
    if n["other"]:
        return warned(
            f"all {n['calling']:,} tool calls come back parsed; {n['other']:,} differ from the trained model's",
            "See serve-prompt-differs and serve-answers-differ for the reason.",
        )
    return passed(f"all {n['calling']:,} tool calls come back parsed, with the trained model's names and arguments")


def _written(text: str) -> list[dict[str, Any]]:
    """The calls in a text that can be read as such."""
    found: list[dict[str, Any]] = []
    for value in written_calls(text[:LONGEST]):
        try:
            found += tool_calls(value)
        except DataError:
            continue
    return found


def _said(calls: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """Names and arguments, in their order."""
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
