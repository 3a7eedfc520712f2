"""A part of the answers under other rows' prompts."""

from __future__ import annotations

from bench.faults.recipes import breaks
from bench.faults.setups import Setup


@breaks("rows-pairs-mixed", on=("demo-demo", "stories-alpaca", "llama3-gsm8k"))
def a_third_of_the_answers_swapped(setup: Setup) -> None:
    """Every third row has the answer of the next such row."""
    _swap(setup, 3, 2)


@breaks("rows-pairs-mixed", on=("demo-demo", "minimind-demo"))
def last_answers_of_several_swapped(setup: Setup) -> None:
    """Rows of several turns have the last answer of the next such row."""
    _swap(setup, 1, 4)


def _swap(setup: Setup, every: int, fewest: int) -> None:
    """Give every so-many-th row of at least ``fewest`` messages the last answer of the next one."""
    rows = setup.as_messages()
    chosen = [row["messages"] for row in rows if len(row["messages"]) >= fewest][::every]
    answers = [messages[-1]["content"] for messages in chosen]
    for messages, answer in zip(chosen, answers[1:] + answers[:1], strict=True):
        messages[-1] = messages[-1] | {"content": answer}
    setup.write(rows)
