"""The page of an autopilot: every decision with what was known, the options, the reason and the cost so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanetune import __version__, units
from sanetune.atomic import write_text
from sanetune.errors import RunError
from sanetune.events import AutoEnded, Event
from sanetune.report.auto_text import done_text
from sanetune.report.html.assets import assets
from sanetune.report.html.page import template
from sanetune.text import escape_control, shortest_path
from sanetune.workflows.auto.journal import Journal
from sanetune.workflows.auto.known import Known, known_from

TONES = {"promoted": "pass", "rejected": "warn", "gave up": "fail", "": "warn"}
FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Step:
    """One decision and what came of it.

    Attributes:
        number: From 1.
        state: In which it was made.
        attempt: Number of the run that it is about.
        chosen: Name of the option.
        by: Who chose it.
        reason: The reason.
        options: Name, words, and why it was barred, of each other option.
        known: Figure -> its value as text.
        done: What came of it; "": nothing was to be done, or it is under way.
        forecast: What it was to take at most; "": nothing.
        took: What it took; "": nothing.
        spent: What was spent in all when it was made.
    """

    number: int
    state: str
    attempt: int
    chosen: str
    by: str
    reason: str
    options: Sequence[tuple[str, str, str]]
    known: Mapping[str, str]
    done: str = ""
    forecast: str = ""
    took: str = ""
    spent: str = ""


class AutoFiles:
    """Writes the page of an autopilot when it ends."""

    def __call__(self, event: Event) -> None:
        """Write the page at the end."""
        if isinstance(event, AutoEnded):
            write_text(event.folder / FILE, page_of_auto(event.folder))


def page_of_auto(folder: Path) -> str:
    """Return the page of the autopilot in ``folder``.

    Raises:
        RunError: Its journal cannot be read, or there is none.
    """
    journal = Journal.read(folder)
    if not journal.entries:
        raise RunError(f"There is no journal in {folder}.", "", "Give the folder of `sanetune auto`.")
    try:
        known = known_from(journal.entries)
        steps = list(steps_of(journal.entries))
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{journal.file} does not hold together: {error}.", "", "Begin anew in another folder."
        ) from None
    found = assets()
    title = known.outcome.capitalize() if known.outcome else "Under way"
    return template("auto.html").render(
        title=escape_control(f"{title} · {folder.name}"),
        heading=title,
        tone=TONES.get(known.outcome, "warn"),
        reason=known.reason or f"in state {known.state}",
        subject=list(_subject(folder, known)),
        steps=steps,
        brand="sanetune auto",
        made_by=__version__,
        live="",
        style=found.style,
        script=found.script,
        policy=found.policy,
    )


def _subject(folder: Path, known: Known) -> Iterator[tuple[str, str]]:
    asked = known.request
    yield "model", asked.model or asked.source
    if asked.data:
        yield "data", ", ".join(asked.data)
    if asked.goal:
        yield "goal", asked.goal
    limit = "no limit" if known.limit is None else units.seconds(known.limit)
    yield "budget", limit
    cost = "" if known.usd is None else f" ({units.usd(known.usd)})"
    yield "spent", f"{units.seconds(known.spent)}{cost}"
    yield "folder", shortest_path(folder)
    if known.promoted is not None:
        yield "promoted model", shortest_path(Path(known.promoted.folder))


def steps_of(entries: Sequence[Mapping[str, Any]]) -> Iterator[Step]:
    """Yield each decision of a journal with what came of it."""
    decided: Mapping[str, Any] | None = None
    number, took = 0, 0.0
    for entry in entries:
        if entry["kind"] == "decided":
            if decided is not None:
                yield _step(number, decided, None, took)
            decided, number, took = entry, number + 1, 0.0
        else:
            took += float(entry.get("seconds", 0.0))
        if entry["kind"] == "did" and decided is not None:
            yield _step(number, decided, entry, took)
            decided = None
    if decided is not None:
        yield _step(number, decided, None, took)


def _step(number: int, decided: Mapping[str, Any], did: Mapping[str, Any] | None, took: float) -> Step:
    chosen = next(one for one in decided["options"] if one["name"] == decided["chosen"])
    others = [one for one in decided["options"] if one is not chosen]
    forecast = chosen.get("seconds")
    return Step(
        number,
        str(decided["state"]),
        int(decided["attempt"]),
        str(decided["chosen"]),
        str(decided["by"]),
        str(decided["reason"]),
        [(str(one["name"]), str(one["words"]), str(one["barred"])) for one in others],
        {
            key.replace("_", " "): _value(value)
            for key, value in decided["known"].items()
            if value not in (None, [], {}, "")
        },
        "" if did is None else done_text(did),
        units.seconds(float(forecast)) if forecast else "",
        units.seconds(took) if did is not None and took >= 0.05 else "",
        units.seconds(float(decided["spent"])),
    )


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_value(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(one)}" for key, one in value.items())
    return str(value)
