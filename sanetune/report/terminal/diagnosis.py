"""What the log of a run shows, on a terminal: facts, curve, findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sanetune.curves.logs.below import NAMES
from sanetune.finding import BAD
from sanetune.report.terminal import curves, findings
from sanetune.report.terminal.layout import put
from sanetune.text import escape_control, shortest_path

if TYPE_CHECKING:
    from sanetune.gate.watch_report import WatchFinding
    from sanetune.workflows.diagnose import Diagnosis


def waiting(diagnoses: Iterator[Diagnosis]) -> Iterator[Diagnosis]:
    """The same diagnoses; on a terminal a line turns while each is made, since a log of a million records takes a
    minute."""
    console = Console(stderr=True)
    while True:
        with console.status("reading and judging"):
            one = next(diagnoses, None)
        if one is None:
            return
        yield one


def show(diagnosis: Diagnosis, console: Console | None = None, *, verbose: bool = False) -> None:
    """Print one diagnosis: the curve, what was read, what was found and what could not be judged.

    Args:
        diagnosis: What the log shows.
        console: Where; None: standard output.
        verbose: Whether checks that passed are shown with their numbers.
    """
    put([*curves.losses(diagnosis.curve), Text("")], console)
    findings.show(diagnosis.report, console, findings.Detail.EVERYTHING if verbose else findings.Detail.SHORT)
    for one in diagnosis.watched:
        put([_watched(one)], console)


def _watched(one: WatchFinding) -> Text:
    """A finding that the watch had while the run trained."""
    finding = one.live.finding
    head = f"note: at step {one.live.step:,} the watch of this run had found "
    words = f": {escape_control(finding.message, strict=True)}"
    return Text.assemble(head, f"{finding.verdict.value.upper()} ", (finding.check, "bold"), words)


def show_all(diagnoses: Sequence[Diagnosis], console: Console | None = None) -> None:
    """Print one line for each of several diagnoses: verdict, path, and the checks that found something."""
    table = Table.grid(padding=(0, 2))
    for one in diagnoses:
        verdict = one.report.verdict
        bad = ", ".join(finding.check for finding in one.report.of(*BAD)) or "-"
        # What is called the same in each run tells none apart.
        where = one.log.path.parent if one.log.path.name in NAMES else one.log.path
        path = f"{shortest_path(where)} {one.log.title}".strip()
        table.add_row(
            Text(f" {verdict.value.upper():<4} ", findings.STYLES[verdict]),
            Text(escape_control(path, strict=True), overflow="fold"),
            Text(bad, overflow="fold"),
        )
    put([Text(f"{len(diagnoses)} logs", style="bold"), table], console)
