"""Reads and writes the clearance in a run's folder, and the results of the experiments beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sanetune.config.messages import short
from sanetune.evidence.experiments import SCHEMA
from sanetune.gate.clearance import Clearance
from sanetune.runs import Run

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LARGEST = 8_000_000
"""Bytes of a clearance that is read: one of a thousand data files and all checks has a tenth of that."""


def write_clearance(run: Run, clearance: Clearance) -> Clearance:
    """Store ``clearance`` in the run, with the results of its experiments, and return what was stored.

    A run that began unchecked stays marked so.
    """
    before = _unchecked_before(run)
    if before and clearance.proves and run.steps_saved:
        clearance = replace(clearance, unchecked=before)
    if clearance.experiments:
        stored = {"schema": SCHEMA, "made": clearance.made, "level": clearance.level, "proof": clearance.experiments}
        run.write_json(run.experiments, stored)
    elif run.experiments.is_file() and not read_experiments(run, clearance)[0]:
        run.experiments.unlink()
    run.write_json(run.clearance, _adapter().dump_python(clearance, mode="json", exclude={"experiments"}))
    return clearance


def withdraw_clearance(run: Run) -> None:
    """Delete the run's clearance and the results of its experiments, where it has them."""
    for file in (run.clearance, run.experiments):
        file.unlink(missing_ok=True)


def read_clearance(run: Run) -> tuple[Clearance | None, str]:
    """Return the clearance in the run; or None, and in words why there is none."""
    from pydantic import ValidationError

    name = run.clearance.name
    try:
        if not run.clearance.exists():
            return None, "it has no clearance"
        if not run.clearance.is_file() or run.clearance.stat().st_size > LARGEST:
            return None, f"{name} is no clearance: it is no file, or too large"
        found = _adapter().validate_json(run.clearance.read_bytes())
    except OSError as error:
        return None, f"{name} cannot be read: {error.strerror}"
    except RecursionError:
        return None, f"{name} is broken and proves nothing: its values are nested too deeply"
    except ValidationError as error:
        if any(one["loc"] == ("schema",) for one in error.errors()):
            return None, f"{name} was written by another version of sanetune and proves nothing to this one"
        first = error.errors()[0]
        where = short(".".join(str(part) for part in first["loc"]))
        return None, f"{name} is broken and proves nothing: {first['msg']} ({where})"
    return replace(found, experiments={}), ""


def read_experiments(run: Run, clearance: Clearance) -> tuple[dict[str, Any], str]:
    """Return the results of the experiments behind ``clearance``, as JSON.

    They are empty where there are none; the text says why they cannot be shown, where they cannot.
    """
    try:
        if not run.experiments.is_file():
            return {}, ""
        if run.experiments.stat().st_size > LARGEST:
            return {}, f"{run.experiments.name} is too large to be read"
        stored = json.loads(run.experiments.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}, f"{run.experiments.name} cannot be read"
    found = stored.get("proof") if isinstance(stored, dict) else None
    if not isinstance(found, dict):
        return {}, f"{run.experiments.name} has no results of experiments"
    if stored.get("schema") != SCHEMA:
        return {}, f"{run.experiments.name} was written by another version of sanetune"
    if (stored.get("made"), stored.get("level")) != (clearance.made, clearance.level):
        return {}, f"{run.experiments.name} is of another check than the clearance"
    return found, ""


def _unchecked_before(run: Run) -> str:
    """The reason for which the run began unchecked, whatever version wrote it down; empty where it did not."""
    try:
        if run.clearance.stat().st_size > LARGEST:
            return ""
        stored = json.loads(run.clearance.read_bytes())
    except (OSError, ValueError, RecursionError):
        return ""
    reason = stored.get("unchecked") if isinstance(stored, dict) else None
    return reason if isinstance(reason, str) else ""


def _adapter() -> TypeAdapter[Clearance]:
    from pydantic import TypeAdapter

    return TypeAdapter(Clearance)
