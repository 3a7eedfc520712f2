"""A sweep on the terminal: a line for each trial as it is made, then the trials beside each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.commands import command
from sanetune.events import Event, SweepTrialMade
from sanetune.report.format import yaml
from sanetune.report.terminal.grid import SHARED, SYMBOLS, drawing
from sanetune.report.terminal.layout import put
from sanetune.text import escape_control, shortest_path

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sanetune.workflows.sweep.result import Against, Sweep, SweepTrial

BAR = 34
"""Columns of the drawing of losses by learning rate."""
DRAWN = 4
"""Trials whose curves are drawn over one another."""
HELD_OUT = ("training row that was held out", "training rows that were held out")
EARLY = SYMBOLS[1]
"""Stands for a trial whose loss is not that of all its steps."""
STATES = {"diverged": "diverged", "pruned": "ended early"}


class TrialLines:
    """Prints a line for each trial when it is there.

    Args:
        console: Where; None: standard error.
        again: Whether trials are shown too that an earlier sweep has made.
    """

    def __init__(self, console: Console | None = None, *, again: bool = True) -> None:
        from rich.console import Console

        self.console, self._again = console or Console(stderr=True, highlight=False), again

    def __call__(self, event: Event) -> None:
        """Show ``event`` where it is a trial."""
        if isinstance(event, SweepTrialMade) and (self._again or event.made_now):
            trial = event.trial
            took = units.seconds(trial.seconds) if event.made_now else "made before"
            text = f"trial {event.done} of {event.total}: {trial.label}: {_loss_words(trial)} ({took})"
            self.console.print(escape_control(text, strict=True), style="dim", markup=False)


def show(sweep: Sweep, console: Console | None = None) -> None:
    """Print the trials, their curves, their losses by learning rate, and what to write into the configuration.

    Args:
        sweep: The trials.
        console: Where; None: standard output.
    """
    put(view(sweep), console)


def view(sweep: Sweep) -> list[RenderableType]:
    """Return what :func:`show` prints."""
    from rich.text import Text

    names = ("validation row",) if sweep.split == "validation" else HELD_OUT
    rows = units.many(len(sweep.start.sums), *names)
    head = f"{units.many(len(sweep.trials), 'trial')} of {units.many(sweep.steps, 'step')}, compared on {rows}"
    parts: list[RenderableType] = [Text(head, style="bold")]
    if sweep.critical_lr is not None:
        words = f"critical learning rate {units.lr(sweep.critical_lr)}, found in {sweep.probe_steps:.0f} steps' time"
        parts.append(Text(words, style="dim"))
    parts += [Text(), _table(sweep), *_intervals(sweep), *_curves(sweep), *_by_lr(sweep)]
    parts.append(Text(f"\nVerdict: {sweep.verdict}.", style="bold"))
    if sweep.edge:
        beyond = "lower" if sweep.edge == "lowest" else "higher"
        parts.append(
            Text(f"It is the {sweep.edge} learning rate that was tried: try {beyond} ones too.", style="yellow")
        )
    parts += [Text(note, style="dim") for note in sweep.notes]
    return [*parts, *_use(sweep)]


def _table(sweep: Sweep) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, justify in (
        ("trial", "left"),
        ("loss", "right"),
        ("above the best, 95 % interval", "left"),
        ("", "left"),
    ):
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    if (best := sweep.best) is not None:
        table.add_row(_label(best), Text(units.nats(best.loss), "bold"), Text("lowest", "bold green"), "")
    for one in sweep.against_best():
        words = Text("told apart") if one.differs else Text("not told apart", "yellow")
        table.add_row(_label(one.trial), units.nats(one.trial.loss), _difference(one), words)
    for trial in sweep.trials:
        if not trial.comparable:
            reason = Text(f"{STATES.get(trial.state, trial.state)}: {trial.reason}" if trial.reason else trial.state)
            table.add_row(_label(trial), _loss(trial.loss), reason, "")
    table.add_row(Text("before any step", "dim"), Text(_loss(sweep.start.loss), "dim"), "", "")
    return table


def _intervals(sweep: Sweep) -> list[RenderableType]:
    """Why a trial whose interval leaves 0 out is not told apart."""
    from rich.text import Text

    if not any(one.interval_alone for one in sweep.against_best()):
        return []
    words = "An interval is of one difference alone; told apart is what also holds for all pairs of trials (Holm)."
    return [Text(words, style="dim")]


def _difference(one: Against) -> str:
    if one.difference is None:
        return "-"
    low, high = one.difference.interval()
    return f"{one.difference.mean:+.4f} ({low:+.4f} to {high:+.4f})"


def _label(trial: SweepTrial) -> RenderableType:
    from rich.text import Text

    return Text(escape_control(trial.label, strict=True))


def _loss(loss: float) -> str:
    return units.nats(loss) if math.isfinite(loss) else "not finite"


def _loss_words(trial: SweepTrial) -> str:
    if trial.state != "done":
        return f"{STATES[trial.state]} at step {trial.steps:,}"
    return f"validation loss {_loss(trial.loss)}"


def _curves(sweep: Sweep) -> list[RenderableType]:
    """The curves of the best trials, one over the other."""
    from rich.text import Text

    shown = (sweep.ranked or sweep.trials)[:DRAWN]
    curves = {
        escape_control(one.label, strict=True): ([step for step, _ in one.curve], [loss for _, loss in one.curve])
        for one in shown
        if one.curve
    }
    if not curves:
        return []
    lines = drawing(curves, label=lambda loss: f"{loss:.2f}", last=sweep.steps, shared=True)
    title = "Loss of a few of these rows, step by step"
    more = len(sweep.trials) - len(shown)
    others = f"; {units.many(more, 'more trial is', 'more trials are')} in the plot" if more else ""
    return [Text(f"\n{title}{others}", style="bold"), *lines]


def _by_lr(sweep: Sweep) -> list[RenderableType]:
    """Final loss against learning rate: a row for each learning rate, a mark for each trial."""
    from rich.text import Text

    trials = [one for one in sweep.trials if math.isfinite(one.loss)]
    lrs = sorted({one.lr for one in trials})
    if len(lrs) < 2:
        return []
    low, highest = min(one.loss for one in trials), max(one.loss for one in trials)
    # Where none has lowered the loss, what it was before says nothing about how they differ.
    top = min(highest, sweep.start.loss) if low < sweep.start.loss else highest
    end = f"{top:.3f} or more" if top < highest else f"{top:.3f}"
    lines: list[RenderableType] = [Text(f"{'':>11}{low:<{BAR // 2}.3f}{end:>{BAR - BAR // 2}}", style="dim")]
    best, drawn = sweep.best, ""
    for lr in lrs:
        found = [one for one in trials if one.lr == lr]
        cells = _cells(found, low, top)
        drawn += cells
        style = "green" if best is not None and best.lr == lr else ""
        lines.append(
            Text.assemble((f"{units.lr(lr):>10} ", "dim"), (cells, style), (f"  {_lowest(found, best)}", style))
        )
    meant = {SHARED[0]: "several trials", EARLY: "did not make all its steps"}
    key = "; ".join(f"{mark}: {words}" for mark, words in meant.items() if mark in drawn)
    return [Text(f"\nFinal loss by learning rate{f' ({key})' if key else ''}", style="bold"), *lines]


def _cells(trials: list[SweepTrial], low: float, top: float) -> str:
    """The marks of trials between the losses ``low`` and ``top``."""
    cells = [" "] * BAR
    for one in trials:
        share = (min(one.loss, top) - low) / (top - low) if top > low else 0.0
        at = round(share * (BAR - 1))
        mark = SYMBOLS[0] if one.comparable else EARLY
        cells[at] = mark if cells[at] == " " else SHARED[0]
    return "".join(cells)


def _lowest(trials: list[SweepTrial], best: SweepTrial | None) -> str:
    """The lowest final loss of the trials with one learning rate; of a trial that ended early only where all did."""
    least = min(trials, key=lambda one: (not one.comparable, one.loss))
    words = "" if least.comparable else STATES[least.state]
    return f"{units.nats(least.loss)}  {'lowest' if least is best else words}".rstrip()


def _use(sweep: Sweep) -> Sequence[RenderableType]:
    from rich.text import Text

    from sanetune.report.format import scalar
    from sanetune.workflows.sweep.space import written

    parts: list[RenderableType] = []
    if (best := sweep.best) is not None and best.changes:
        changes = written(best.changes)
        words = [*sweep.fixed, *(f"{key}={scalar(value)}" for key, value in changes.items())]
        parts += [Text("\nTo use it:\n", style="bold"), Text(yaml({**_shared(sweep), **changes}), style="green")]
        parts.append(Text(f"or: {command('train', *words)}", style="dim"))
    return [*parts, Text(f"Trials, figures and plots: {shortest_path(Path(sweep.folder))}", style="dim")]


def _shared(sweep: Sweep) -> dict[str, Any]:
    """What all trials share, by its key: without it a run would be another than the trial was."""
    from sanetune.config.yaml_read import parse_value

    pairs = (one.partition("=") for one in sweep.fixed)
    return {key: parse_value(raw, key) for key, _, raw in pairs}
