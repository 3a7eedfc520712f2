"""The autopilot on a terminal: a line for each decision and what came of it, what is sent, and the end."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.events import AgentAsked, AutoDecided, AutoDone, Event
from sanetune.report.auto_text import done_text
from sanetune.report.terminal.layout import put
from sanetune.text import escape_control, shorten, shortest_path

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sanetune.workflows.auto.decision import Decision
    from sanetune.workflows.auto.run import AutoResult

SENT = 1_500
"""Characters of what is sent that are shown; all of it is in a file."""
OUTCOMES = {"promoted": "bold green", "rejected": "bold yellow", "gave up": "bold red"}


class AutoLines:
    """Prints each decision when it is made, and what came of it; ``console`` None: on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self.console = console or Console(stderr=True, highlight=False)

    def __call__(self, event: Event) -> None:
        """Show ``event`` where it is one of the autopilot's."""
        from rich.text import Text

        match event:
            case AutoDecided(entry):
                self.console.print(decision_line(entry))
            case AutoDone(entry, seconds) if words := done_text(entry):
                self.console.print(Text(f"  {_safe(words)} ({units.seconds(seconds)} spent)", style="dim"))
            case AgentAsked(purpose, address, text):
                self.console.print(Text(f"  sent to {_safe(address)} for the {_safe(purpose)}:", style="yellow"))
                for line in shorten(text, SENT).splitlines():
                    self.console.print(Text(f"  | {_safe(line)}", style="dim"))


def decision_line(entry: Mapping[str, Any]) -> RenderableType:
    """Return a decision: its state, what was chosen, and why."""
    from rich.text import Text

    by = "" if entry.get("by") == "policy" else f" [{entry.get('by')}]"
    return Text.assemble(
        (f"{entry['state']}: ", "bold cyan"),
        (_safe(str(entry["chosen"])), "bold"),
        by,
        f" – {_safe(str(entry['reason']))}",
    )


def ask_view(state: str, decision: Decision) -> Iterator[str]:
    """Yield the lines that a person chooses by."""
    yield ""
    yield _safe(f"{state}: {decision.reason}")
    for number, one in enumerate(decision.options, 1):
        mark = "*" if one.name == decision.chosen else " "
        takes = f" (up to {units.seconds(one.seconds)})" if one.seconds else ""
        barred = f" (not possible: {one.barred})" if one.barred else ""
        yield _safe(f" {mark} {number} {one.name}: {one.words}{takes}{barred}")


def show(result: AutoResult, console: Console | None = None) -> None:
    """Print how it ended, and where everything is.

    Args:
        result: Of the autopilot.
        console: Where; None: standard output.
    """
    put(_view(result), console)


def _view(result: AutoResult) -> Iterator[RenderableType]:
    from rich.text import Text

    known = result.known
    yield Text.assemble(
        (known.outcome.capitalize(), OUTCOMES.get(known.outcome, "bold")), f": {_safe(known.reason.rstrip('.'))}."
    )
    limit = "" if known.limit is None else f" of {units.seconds(known.limit)}"
    cost = "" if known.usd is None else f", {units.usd(known.usd)}"
    attempts = units.many(known.attempt, "attempt")
    yield Text(f"{units.seconds(known.spent)}{limit} spent{cost}, {attempts}", style="dim")
    if (judged := known.judged) is not None and judged.win_rate is not None:
        share = f"{units.share(judged.win_rate)} ({units.share(judged.low)} to {units.share(judged.high)})"
        yield Text(f"The judge prefers the tuned answer in {share} of {judged.wins + judged.losses} decided pairs")
    for path, words in _places(result):
        yield Text(f"  {shortest_path(path)}  {words}", style="dim")
    if known.short_of_budget:
        words = f"sanetune auto --resume --out {shlex.quote(shortest_path(result.folder))} --budget MORE"
        yield Text(f"Go on with a larger budget, from what is done: {words}")


def _places(result: AutoResult) -> Iterator[tuple[Path, str]]:
    folder = result.folder
    if result.known.promoted is not None:
        yield folder / "model", "the promoted model, with its clearance"
    yield folder / "report.html", "every decision and its reason on one page"
    yield folder / "journal.jsonl", "the same for programs"


def show_dry_run(entries: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Print what would be done.

    Args:
        entries: The decisions.
        console: Where; None: standard output.
    """
    put(_dry_view(entries), console)


def _dry_view(entries: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    yield Text("What it would do; nothing was trained, and no file is left.\n", style="bold")
    measured = True
    for entry in entries:
        chosen = next(one for one in entry["options"] if one["name"] == entry["chosen"])
        takes = f" (up to {units.seconds(chosen['seconds'])})" if chosen["seconds"] else ""
        yield Text.assemble((f"{entry['state']:<8}", "cyan"), (f" {_safe(chosen['name'])}{takes}", "bold"))
        yield Padding(Text(_safe(chosen["words"]), style="dim"), (0, 0, 0, 9))
        if measured:
            yield Padding(Text(f"because {_safe(str(entry['reason']))}", style="dim"), (0, 0, 0, 9))
        if measured and chosen["act"] == "check":
            measured = False
            yield Text("\nIf that passes, and nothing it measures says otherwise:\n", style="bold")
    if entries[-1]["state"] == "report" and not measured:
        words = "Promoted only if better on held-out rows, cleared, and nothing forgotten; otherwise rejected."
        yield Text(f"\n{words}", style="dim")


def _safe(text: str) -> str:
    return escape_control(text, strict=True)
