"""Models beside each other on a terminal: their answers, what was measured of them, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.report.evaluation import difference_text, score_name, score_text
from sanetune.report.html.answers import compared as pieces_of
from sanetune.report.terminal.compare import answer_view, plain, sample_view
from sanetune.report.terminal.layout import without_colour
from sanetune.text import escape_control
from sanetune.workflows.comparing.result import FAULTS, LOSS, Compared, Model, Pair
from sanetune.workflows.comparing.stored import comparison_of
from sanetune.workflows.evaluating.result import score_rows

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

COLOURS = ("yellow", "green", "cyan", "magenta")
VERDICT_STYLES = {"better": "bold green", "worse": "bold red", "mixed": "bold yellow"}
SHOWN = 5
"""Prompts whose answers are shown."""


def show(found: Compared, console: Console | None = None, *, shown: int = SHOWN) -> None:
    """Print answers side by side, the figures of all models, and the verdict.

    Args:
        found: The models.
        console: Where; None: standard output.
        shown: Number of prompts whose answers are shown.
    """
    from rich.console import Console

    console = console or Console(highlight=False)
    marked = without_colour(console)
    for number in range(min(shown, len(found.prompts))):
        console.print(_prompt(found, number, console.width, marked))
    for part in figures(found):
        console.print(part, width=min(console.width, 100))


def _prompt(found: Compared, number: int, width: int, marked: bool) -> RenderableType:
    """One prompt with the answers of all models; words that the first one's answer has not are marked."""
    from rich.console import Group
    from rich.text import Text

    if [one.name for one in found.models] == ["base", "tuned"]:
        sample = comparison_of(found).samples[number]
        return sample_view(sample, number + 1, len(found.prompts), width, marked=marked)
    prompt = found.prompts[number]
    asked = [str(one.get("content") or "") for one in prompt.messages if one.get("role") == "user"]
    parts: list[RenderableType] = [Text(f"{number + 1} of {len(found.prompts)}", style="dim")]
    parts.append(Text.assemble(("user: ", "bold"), plain(asked[-1] if asked else "")))
    first = found.models[0].answers[number]
    for at, model in enumerate(found.models):
        answer = model.answers[number]
        pieces = pieces_of(first.text, answer.text).after if at else ()
        name = escape_control(model.name, strict=True)
        parts.append(answer_view(name, answer, COLOURS[at % len(COLOURS)], pieces, marked=marked))
    if prompt.reference:
        parts.append(Text.assemble(("in the data: ", "bold dim"), Text(plain(prompt.reference), style="dim")))
    return Group(*parts, Text())


def figures(found: Compared) -> list[RenderableType]:
    """Return the table of what was measured, and the verdict on each model."""
    from rich.text import Text

    parts = [_table(found), *(_verdict(found, one) for one in found.pairs)]
    notes = [Text(escape_control(note, strict=True), "yellow") for note in found.notes]
    return [*parts, *_evaluation(found), *notes]


def _table(found: Compared) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", overflow="fold")
    for model in found.models:
        table.add_column(Text(escape_control(model.name, strict=True)), justify="right", overflow="fold")
    if any(one.losses is not None for one in found.models):
        losses = [units.nats(one.losses.loss) if one.losses is not None else "-" for one in found.models]
        table.add_row(LOSS, *losses)
    if found.prompts:
        for measure in found.models[0].marks:
            table.add_row(measure, *(_count(one, measure) for one in found.models))
        table.add_row("four-word runs repeated", *(f"{one.repeated:.0%}" for one in found.models))
        lengths = ["-" if math.isnan(one.tokens) else f"{one.tokens:.0f}" for one in found.models]
        table.add_row("tokens per answer", *lengths)
    return table


def _count(model: Model, measure: str) -> str:
    ones, total = model.count(measure)
    return f"{ones} of {total}" if total else "-"


def _verdict(found: Compared, judged: Pair) -> RenderableType:
    """The verdict on one model with what decided it."""
    from rich.text import Text

    name, base = (escape_control(found.models[one].name, strict=True) for one in (judged.second, judged.first))
    words = "no difference shown" if judged.verdict == "no difference shown" else judged.verdict
    text = Text.assemble(f"{name} beside {base}: ", (words, VERDICT_STYLES.get(judged.verdict, "bold")))
    for direction, title in ((1, "better in"), (-1, "worse in")):
        if names := judged.named(direction):
            text.append(f"\n  {title}: {', '.join(names)}")
    if judged.loss is not None and math.isfinite(judged.loss.mean):
        low, high = judged.loss.interval()
        interval = f"{low:+.4f} to {high:+.4f}, 95 %, {units.many(judged.loss.n, 'row')}"
        text.append(f"\n  {LOSS}: {judged.loss.mean:+.4f} nats per token ({interval})")
    for one in judged.changes:
        if one.measure != LOSS and (one.better or one.worse):
            gained = f"{one.better} for {name}, {one.worse} for {base}"
            fault = " (fewer are better)" if one.measure in FAULTS else ""
            answers = units.many(one.better + one.worse, "answer")
            text.append(f"\n  {one.measure}{fault}: differs in {answers}: {gained}; p {one.p:.2g}")
    several = len(judged.changes)
    if several > 1:
        text.append(f"\n  p-values are corrected for {several} measures (Holm); below 0.05 counts", "dim")
    return text


def _evaluation(found: Compared) -> Sequence[RenderableType]:
    """What lm-eval measured, a row for each number, with the differences from the first model."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    if rows := score_rows(found.evaluation):
        table = Table("", *(escape_control(name, strict=True) for name in found.evaluation), "difference")
        table.box, table.pad_edge = box.SIMPLE_HEAD, False
        for row in rows:
            cells = ["-" if one is None else score_text(one) for one in row.scores]
            gained = "; ".join(difference_text(one) for one in row.differences if one is not None)
            table.add_row(*(Text(escape_control(cell, strict=True)) for cell in (score_name(row), *cells, gained)))
        parts = [Text("\nlm-eval", style="bold"), table]
    note = found.evaluation_note
    return [*parts, Text(escape_control(note, strict=True), "yellow")] if note else parts
