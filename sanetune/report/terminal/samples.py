"""Answers of the base and of the model after its trial on a terminal: a few prompts, then figures of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.probes.results import Sample
from sanetune.report.terminal.compare import plain, sample_view

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sanetune.data.conversation import Message
    from sanetune.engine.answer import Answer
    from sanetune.probes.results import Samples

SHOWN = 3
"""Prompts that are shown."""
LONGEST = 300
"""Characters of one text that are shown."""


def show(samples: Samples, console: Console | None = None, most: int = SHOWN) -> None:
    """Print some prompts with both answers, at the width of the terminal.

    Args:
        samples: The answers.
        console: Where to print; None: standard output.
        most: Number of prompts that are shown, at most.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    console.print(view(samples, console.width, most))


def view(samples: Samples, width: int = 80, most: int = SHOWN) -> RenderableType:
    """Return some prompts with both answers, then one line about all of them.

    Text of models is never read as markup, and its control characters are replaced.

    Args:
        samples: The answers.
        width: Columns of the terminal.
        most: Prompts that are shown, at most.
    """
    from rich.console import Group
    from rich.text import Text

    count = len(samples.samples)
    parts = [sample_view(_shortened(samples.samples[at]), at + 1, count, width) for at in chosen(samples.samples, most)]
    return Group(*parts, Text(summary(samples), style="dim"))


def summary(samples: Samples) -> str:
    """Return in one line how many answers end by themselves, and how many tokens they have."""
    asked = [one for one in samples.samples if one.answered]
    if not asked:
        return "no prompt was answered"
    base, tuned = ([getattr(one, side) for one in asked] for side in ("base", "tuned"))
    steps = units.many(samples.steps, "step")
    return (
        f"{units.many(len(asked), 'prompt')}; ended by themselves: base {_ended(base)}, after {steps}"
        f" {_ended(tuned)}; tokens per answer: {_tokens(base)} → {_tokens(tuned)}, at most {samples.max_new_tokens:,}"
    )


def chosen(samples: Sequence[Sample], most: int) -> list[int]:
    """Return the indices of at most ``most`` samples: the user's own prompts first, then others, evenly spread."""
    own = [at for at, sample in enumerate(samples) if sample.reference is None][:most]
    others = [at for at, sample in enumerate(samples) if sample.reference is not None]
    left = min(most - len(own), len(others))
    return sorted([*own, *(others[number * len(others) // left] for number in range(left))])


def _shortened(sample: Sample) -> Sample:
    """``sample`` with its texts shortened, and with only the last message of its prompt."""
    messages: list[Message] = []
    if sample.messages:
        last = sample.messages[-1]
        before = len(sample.messages) - 1
        note = f"({units.many(before, 'message')} before) " if before else ""
        messages = [last | {"content": note + plain(str(last.get("content") or ""), LONGEST)}]
    reference = None if sample.reference is None else plain(sample.reference, LONGEST)
    return Sample(messages, reference, _with_special_tokens(sample.base), _with_special_tokens(sample.tuned))


def _with_special_tokens(answer: Answer) -> Answer:
    """``answer`` with the special tokens in its text, since they show what is wrong with it."""
    return replace(answer, text=plain(answer.raw or answer.text, LONGEST))


def _ended(answers: Sequence[Answer]) -> str:
    return f"{sum(answer.ended for answer in answers):,}"


def _tokens(answers: Sequence[Answer]) -> str:
    return f"{sum(answer.tokens for answer in answers) / len(answers):.0f}"
