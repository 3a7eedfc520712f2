"""Answers of the base and of the tuned model side by side on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.report.terminal.data import CLOSE, OPEN
from sanetune.report.terminal.layout import without_colour
from sanetune.text import replace_control, shorten_middle

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from sanetune.data.conversation import Message
    from sanetune.engine.answer import Answer
    from sanetune.probes.results import Comparison, Sample
    from sanetune.report.html.answers import Part

SIDE_BY_SIDE = 72
"""Columns from which on the two answers are beside each other, not below each other."""
LONGEST = 1200
"""Characters of one text that are shown."""


def show(comparison: Comparison, console: Console | None = None) -> None:
    """Print all pairs of answers and the figures; ``console`` None: on standard output."""
    from rich.console import Console

    console = console or Console(highlight=False)
    console.print(view(comparison, console.width, marked=without_colour(console)))


def view(comparison: Comparison, width: int = 80, *, marked: bool = False) -> RenderableType:
    """Return all pairs of answers, then a table of the figures.

    Text of models is never read as markup.

    Args:
        comparison: The answers of both models.
        width: Columns of the terminal.
        marked: Whether words that differ are in brackets, since colours are not shown.
    """
    from rich.console import Group

    parts: list[RenderableType] = []
    for number, sample in enumerate(comparison.samples, 1):
        parts.append(sample_view(sample, number, len(comparison.samples), width, marked=marked))
    parts.append(_figures(comparison))
    return Group(*parts)


def sample_view(sample: Sample, number: int, count: int, width: int, *, marked: bool = False) -> RenderableType:
    """Return one prompt, both answers, and the answer in the data.

    Args:
        sample: The prompt with its answers.
        number: Its number, from 1.
        count: Number of all prompts.
        width: Columns of the terminal.
        marked: Whether words that differ are in brackets, since colours are not shown.
    """
    from rich.console import Group
    from rich.rule import Rule
    from rich.text import Text

    from sanetune.report.html.answers import differences

    whose = "your prompt" if sample.reference is None else f"{sample.split or 'validation'} row"
    parts: list[RenderableType] = [Rule(Text(f"{number} of {count}, {whose}", style="dim"), align="left", style="dim")]
    for message in sample.messages:
        parts.append(Text.assemble((f"{message.get('role', '')}: ", "bold"), plain(_content(message))))
    found = differences(sample)
    replies = [
        answer_view("base", sample.base, "yellow", found.before, marked=marked),
        answer_view("tuned", sample.tuned, "green", found.after, marked=marked),
    ]
    parts.append(_beside(replies) if width >= SIDE_BY_SIDE else Group(*replies))
    if sample.reference:
        parts.append(Text.assemble(("in the data: ", "bold dim"), Text(plain(sample.reference), style="dim")))
    return Group(*parts, Text())


def _beside(replies: Sequence[RenderableType]) -> RenderableType:
    from rich.table import Table

    table = Table.grid(padding=(0, 1), expand=True)
    for _ in replies:
        table.add_column(ratio=1, overflow="fold")
    table.add_row(*replies)
    return table


def answer_view(
    title: str, answer: Answer, colour: str, parts: Sequence[Part] = (), *, marked: bool = False
) -> RenderableType:
    """Return a model's answer in a frame.

    Args:
        title: Whose it is.
        answer: What it wrote.
        colour: Of the title, the frame and the words that differ.
        parts: The answer in pieces, by whether another answer has them too; none: nothing is marked.
        marked: Whether pieces that differ are in brackets, since colours are not shown.
    """
    from rich.panel import Panel
    from rich.text import Text

    if answer.note:
        body, end = Text(plain(answer.note), style="italic dim"), "no answer"
    else:
        body = _body(answer, parts, colour, marked) if answer.text.strip() else Text("(empty)", style="italic dim")
        end = f"{units.many(answer.tokens, 'token')}, {'ended by itself' if answer.ended else 'did not end'}"
    return Panel(
        body, title=Text(title, style=f"bold {colour}"), title_align="left", border_style=colour,
        subtitle=Text(end, style="dim" if answer.ended else "red"), subtitle_align="right", padding=(0, 1),
    )  # fmt: skip


def _body(answer: Answer, parts: Sequence[Part], colour: str, marked: bool) -> Text:
    """The answer with the pieces that differ marked; one that is too long is shown without marks and middle."""
    from rich.text import Text

    if len(answer.text) > LONGEST or not any(part.differs for part in parts):
        return Text(plain(answer.text))
    body = Text()
    for part in parts:
        shown = replace_control(part.text)
        if part.differs and part.text.strip() and marked:
            shown = f"{OPEN}{shown}{CLOSE}"
        body.append(shown, f"bold {colour}" if part.differs else "")
    body.rstrip()
    return body


def _figures(comparison: Comparison) -> RenderableType:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("base", "tuned"):
        table.add_column(name, justify="right")
    if comparison.base_loss is not None or comparison.tuned_loss is not None:
        table.add_row("validation loss", _number(comparison.base_loss), _number(comparison.tuned_loss))
    asked = [sample for sample in comparison.samples if sample.answered]
    sides = [[sample.base for sample in asked], [sample.tuned for sample in asked]]
    if asked:
        table.add_row("ended by itself", *(f"{sum(r.ended for r in side)} of {len(side)}" for side in sides))
        table.add_row("tokens per answer", *(f"{sum(r.tokens for r in side) / len(side):.0f}" for side in sides))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _content(message: Message) -> str:
    content = message.get("content")
    if content:
        return str(content)
    calls = [call.get("function", {}).get("name", "?") for call in message.get("tool_calls") or []]
    return f"(calls {', '.join(map(str, calls))})" if calls else ""


def plain(text: str, longest: int = LONGEST) -> str:
    """Return ``text`` without control characters, and without its middle beyond ``longest`` characters."""
    return shorten_middle(replace_control(text).strip("\n"), longest, separator="\n")


def summary(comparison: Comparison) -> Text:
    """Return in one line how many tuned answers end by themselves, and both validation losses."""
    from rich.text import Text

    asked = [sample for sample in comparison.samples if sample.answered]
    text = f"{sum(sample.tuned.ended for sample in asked)} of {len(asked)} tuned answers end by themselves"
    if comparison.base_loss is not None and comparison.tuned_loss is not None:
        text += f"; validation loss {comparison.base_loss:.3f} → {comparison.tuned_loss:.3f}"
    return Text(text)
