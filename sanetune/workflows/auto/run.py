"""The autopilot from its request to its end: begin or resume in a folder, or only say what it would do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import Place, RunError
from sanetune.events import Publish, silent
from sanetune.typed_json import to_json
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.journal import NAME, Journal
from sanetune.workflows.auto.known import Known, known_from
from sanetune.workflows.auto.machine import TICK, Ask, Machine, by_default
from sanetune.workflows.auto.request import Budget, Request, require_request, settings_of, usd_per_hour


@dataclass(frozen=True, slots=True)
class AutoResult:
    """What became of it.

    Attributes:
        folder: The autopilot's.
        known: All that its journal says.
    """

    folder: Path
    known: Known

    @property
    def exit_code(self) -> int:
        """0 where a model was promoted, else 1."""
        return 0 if self.known.outcome == "promoted" else 1

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``--json``."""
        known = self.known
        parts = ("inspected", "copied", "planned", "checked", "advised", "swept", "trained", "compared", "judged")
        facts = {name: part for name in parts if (part := getattr(known, name)) is not None}
        return {
            "schema": 1,
            "outcome": known.outcome,
            "reason": known.reason,
            "folder": str(self.folder),
            "model": None if known.promoted is None else known.promoted.folder,
            "attempts": known.attempt,
            "seconds": round(known.spent, 1),
            "usd": known.usd,
            "limit_seconds": known.limit,
            "goal": known.request.goal,
            "facts": {name: _without_config(to_json(part)) for name, part in facts.items()},
        }


def auto(
    request: Request,
    folder: Path | None = None,
    *,
    resume: bool = False,
    ask: Ask = by_default,
    publish: Publish = silent,
) -> AutoResult:
    """Carry the request to its end, or go on with what is in ``folder``.

    Args:
        request: What is asked; with ``resume`` only a new budget counts.
        folder: Of the autopilot; None: ``auto/NAME`` after the model.
        resume: Whether to go on with the journal that is there.
        ask: Chooses among the options of a decision.
        publish: Gets all events.

    Raises:
        UserError: The request cannot be carried out as it is.
    """
    from sanetune.workflows.auto.acts.world import RealWorld
    from sanetune.workflows.auto.agent.client import agent_of

    site = Site((folder or default_folder(request)).absolute(), publish)
    journal = Journal.read(site.folder)
    known = _known(journal)
    if resume:
        _require_journal(journal)
        settings = _settings(site, known)
        request = replace(known.request, budget=_newer(known.request.budget, request.budget, settings))
    else:
        _require_free(site.folder, journal)
        settings = require_request(request)
    agent = agent_of(settings, site.folder)
    machine = Machine(journal, RealWorld(site, agent), ask=ask, publish=publish)
    try:
        if resume:
            _reopen(machine, request, agent is not None, usd_per_hour(settings))
        else:
            price = usd_per_hour(settings)
            machine.write("began", request=to_json(request), agent=agent is not None, usd_per_hour=price)
        return AutoResult(site.folder, machine.run())
    finally:
        journal.close()


def default_folder(request: Request) -> Path:
    """Return the folder that is taken unless one is named."""
    name = Path(request.source).stem if request.source else Path(request.model).name
    return Path("auto") / (re.sub(r"[^\w.-]+", "-", name).strip("-.") or "model")


def only_folder() -> Path:
    """Return the folder in ``auto/`` that has a journal, where it is the only one.

    Raises:
        RunError: There is none, or there are several.
    """
    found = sorted(file.parent for file in Path("auto").glob(f"*/{NAME}"))
    if len(found) == 1:
        return found[0]
    named = ", ".join(map(str, found[:5]))
    raise RunError(
        f"auto/ has the journals of {len(found)} autopilots: {named}." if found else "There is no journal in auto/*/.",
        "It has to be known which one goes on.",
        f"Give its folder: sanetune auto --resume --out {found[0] if found else 'FOLDER'}",
    )


def _known(journal: Journal) -> Known:
    try:
        return known_from(journal.entries)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"The journal does not hold together: {error}.",
            "It is all that a resumed run knows.",
            "Begin anew in another folder (--out).",
            Place(journal.file),
        ) from None


def _reopen(machine: Machine, request: Request, agent: bool, price: float | None = None) -> None:
    """Note that it goes on, and charge what was spent between the last entry and a kill."""
    before = machine.known.left
    machine.charge(TICK if machine.known.open is not None else 0.0)
    machine.write("resumed", budget=to_json(request.budget), agent=agent, usd_per_hour=price)
    known = machine.known
    more = before is not None and (known.left is None or known.left > before)
    # What could not be done may be possible now: a file is there, a disk has room, there is more to spend.
    if known.over and known.outcome != "promoted" and (more or known.closed_in == "failed"):
        machine.write("reopened", state=known.closed_in)


def _settings(site: Site, known: Known) -> Config:
    """The configuration as it is now, or that it begins with: a file given by --from may be gone since."""
    return load(site.file) if known.config and site.file.is_file() else settings_of(known.request)


def _newer(before: Budget, now: Budget, settings: Config) -> Budget:
    """The budget from now on: a new one, where one is given."""
    if now == Budget():
        return before
    if now.usd is not None and not settings.budget.usd_per_device_hour:
        raise RunError(
            f"The budget is ${now.usd:g}, and this autopilot began without a price.",
            "Dollars are counted as time and its price; without one there would be no limit.",
            "Give a time: --budget 6h",
        )
    return now


def _require_journal(journal: Journal) -> None:
    if not journal.entries:
        raise RunError(
            f"There is no journal in {journal.file.parent}.",
            "There is nothing to go on with.",
            "Leave --resume out, or give the folder with --out.",
        )


def _require_free(folder: Path, journal: Journal) -> None:
    if journal.entries:
        raise RunError(
            f"{folder} has the journal of an earlier autopilot.",
            "Beginning anew would mix two.",
            "Go on with --resume, or give another folder with --out.",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"{folder} is not empty.",
            "An autopilot writes into a folder of its own.",
            "Give a folder that does not exist yet with --out.",
        )


def _without_config(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_config(one) if isinstance(one, dict) else one for key, one in facts.items() if key != "config"
    }
