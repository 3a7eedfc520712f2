"""Faults of tool calls and their results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.faults.recipes import breaks
from bench.faults.setups import Row, Setup

ON = ("qwen3-drone", "minimind-drone", "minimind-airline")


def calls(setup: Setup, every: int, new: Callable[[dict[str, Any]], None]) -> None:
    """Change the function of every so-many-th call."""
    rows = setup.rows()
    found = [c for row in rows for m in row["messages"] for c in m.get("tool_calls") or ()]
    for call in found[::every]:
        new(call["function"])
    setup.write(rows)


# A call that is not JSON is rendered as a string, or not at all.
@breaks("rows-tool-calls", on=ON, related=("template-drops-content", "template-refuses"))
def truncated_arguments(setup: Setup) -> None:
    """Every fifth call ends in the middle of its JSON."""
    calls(setup, 5, lambda function: function.update(arguments='{"altitude": [1, {"unit": "met'))


@breaks("rows-tool-calls", on=ON, related=("template-drops-content", "template-refuses"))
def arguments_as_python(setup: Setup) -> None:
    """The arguments of every fifth call are written with str, not with json.dumps."""
    calls(setup, 5, lambda function: function.update(arguments="{'altitude': True, 'unit': None}"))


@breaks("rows-tool-calls", on=ON)
def tool_that_does_not_exist(setup: Setup) -> None:
    """Every fifth call is to a tool that is not declared."""
    calls(setup, 5, lambda function: function.update(name="take_off_quickly"))


# Without arguments, next to nothing of a row is in the loss.
@breaks("rows-tool-calls", on=("qwen3-drone", "minimind-drone"), related=("labels-scarce",))
def arguments_left_out(setup: Setup) -> None:
    """Every call has no arguments, required ones neither."""
    calls(setup, 1, lambda function: function.update(arguments="{}"))


@breaks("rows-tool-calls", on=("minimind-airline", "qwen3-airline"))
def results_left_out(setup: Setup) -> None:
    """In every third row the results of calls are missing."""
    rows = setup.rows()
    setup.write([_without_results(row) if number % 3 == 0 else row for number, row in enumerate(rows)])


@breaks("rows-tool-calls", on=ON)
def tools_left_out(setup: Setup) -> None:
    """No row declares the tools that it calls."""
    setup.write([{key: value for key, value in row.items() if key != "tools"} for row in setup.rows()])


def _without_results(row: Row) -> Row:
    return row | {"messages": [message for message in row["messages"] if message["role"] != "tool"]}
