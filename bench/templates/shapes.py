"""Clean rows of each kind of conversation, made of real questions and answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from bench.figures import shared

Message = dict[str, Any]
Row = dict[str, Any]

ROWS = 24
"""Rows of a cell: enough for a training and a validation split."""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "calculate",
            "description": "Computes an expression.",
            "parameters": {
                "type": "object",
                "properties": {
                    "expression": {"type": "string", "description": "the expression"},
                    "digits": {"type": "integer", "description": "digits after the point"},
                },
                "required": ["expression"],
            },
        },
    }
]
SYSTEMS = ("You are a careful teacher.", "Answer briefly; write numbers in digits.", "You help people with homework.")

KINDS = (
    "one turn",
    "several turns",
    "system",
    "developer",
    "tools",
    "parallel calls",
    "reasoning, last turn",
    "reasoning, earlier turn",
    "loss on last",
)


def rows(kind: str) -> list[Row]:
    """The rows of a kind."""
    if kind in ("tools", "parallel calls"):
        solved = _solved()
        return [_CALLS[kind](number, *solved[number]) for number in range(ROWS)]
    if kind.startswith("reasoning"):
        return [_reasoning(number, _solved(), kind.endswith("earlier turn")) for number in range(ROWS)]
    pairs = _pairs()
    count = {"one turn": 1, "developer": 1, "system": 2}.get(kind, 3)
    made = []
    for number in range(ROWS):
        messages = [
            one for question, answer in pairs[number * 3 : number * 3 + count] for one in _turn(question, answer)
        ]
        if kind in ("system", "developer"):
            messages.insert(0, {"role": kind, "content": SYSTEMS[number % len(SYSTEMS)]})
        made.append({"messages": messages})
    return made


def loss_on(kind: str) -> str:
    """The ``data.loss_on`` of a kind."""
    return "last" if kind == "loss on last" else "assistant"


def _turn(question: str, answer: str, **more: Any) -> list[Message]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer, **more}]


def _pairs() -> list[tuple[str, str]]:
    found = json.loads((shared() / "data/alpaca/instruction-data.json").read_text())
    pairs = {
        (row["instruction"] + (f"\n{row['input']}" if row["input"] else "")): row["output"]
        for row in found
        if 12 <= len(row["output"]) <= 300 and row["output"].strip() == row["output"]
    }
    return [(question, answer) for question, answer in pairs.items() if question.strip() == question]


def _solved() -> list[tuple[str, str, str]]:
    """(question, working, result) of arithmetic problems."""
    lines = (shared() / "data/gsm8k/train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[: 6 * ROWS]]
    made = [(row["question"], *row["answer"].split("\n#### ")) for row in rows]
    return [one for one in made if len(one[0]) + len(one[1]) < 700]


def _call(number: int, expression: str) -> Message:
    function = {"name": "calculate", "arguments": {"expression": expression, "digits": 2}}
    return {"id": f"call{number:05d}", "type": "function", "function": function}


def _result(number: int, value: str) -> Message:
    content = json.dumps({"value": f"{value}.0{number}", "note": "naïve “sum”"}, ensure_ascii=False)
    return {"role": "tool", "name": "calculate", "tool_call_id": f"call{number:05d}", "content": content}


def _one_call(number: int, question: str, working: str, value: str) -> Row:
    expression = f"{number + 3} * {number + 11}"
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "tool_calls": [_call(number, expression)]},
        _result(number, value),
        {"role": "assistant", "content": working},
    ]
    return {"messages": messages, "tools": TOOLS}


def _two_calls(number: int, question: str, working: str, value: str) -> Row:
    first, second = f"{number + 5} + {number + 23}", f"{number + 8} * {number + 2}"
    ids = 2 * number, 2 * number + 1
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "tool_calls": [_call(ids[0], first), _call(ids[1], second)]},
        _result(ids[0], value),
        _result(ids[1], value),
        {"role": "assistant", "content": working},
    ]
    return {"messages": messages, "tools": TOOLS}


def _reasoning(number: int, solved: Sequence[tuple[str, str, str]], earlier: bool) -> Row:
    question, working, value = solved[number]
    thinking = _turn(question, f"The result is {value}.", reasoning_content=working)
    if not earlier:
        return {"messages": thinking}
    following = _turn(
        f"And plus {number + 40}?", f"With {number + 40} more it grows.", reasoning_content=f"I add {number + 40}."
    )
    return {"messages": [*thinking, *following]}


_CALLS: dict[str, Callable[[int, str, str, str], Row]] = {"tools": _one_call, "parallel calls": _two_calls}
