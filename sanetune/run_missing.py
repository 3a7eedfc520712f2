"""What to say of a path that is no run: which run was probably meant."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from sanetune.errors import RunError
from sanetune.text import nearest

MOST = 4
"""Runs that are named."""
WRITTEN = "Give the folder that `sanetune train` wrote"
DEFAULT = "(runs/NAME unless run.output_dir is set)"


def no_run(path: Path, is_run: Callable[[Path], bool]) -> RunError:
    """Return the error about ``path``, which holds no run, with the runs beside or in it.

    Args:
        path: What was given.
        is_run: Whether a folder holds a run.
    """
    if path.is_file():
        kind = "a configuration" if path.suffix in (".yaml", ".yml") else "a file"
        own = [path.parent] if is_run(path.parent) else []
        meant = _listed(own or _runs(path.parent / "runs", is_run))
        return RunError(f"{path} is {kind}, not the folder of a run.", remedy=meant or f"{WRITTEN} {DEFAULT}.")
    if not path.is_dir():
        return RunError(f"There is no run folder {path}.", remedy=_near(path, is_run) or f"{WRITTEN} {DEFAULT}.")
    if found := _runs(path, is_run):
        return RunError(f"{path} is not a run folder, it holds some.", remedy=_listed(found))
    message = f"{path} is not a run folder: it has no config.yaml and no metrics.jsonl."
    other = f" For what another trainer logged there: `sanetune diagnose {shlex.quote(str(path))}`."
    return RunError(message, remedy=f"{WRITTEN}.{other if _is_of_trainer(path) else ''}")


def _is_of_trainer(folder: Path) -> bool:
    """Whether another trainer has left its log in ``folder``, or been watched there."""
    here = any((folder / name).is_file() for name in ("trainer_state.json", "watch.json"))
    return here or next(folder.glob("checkpoint-*/trainer_state.json"), None) is not None


def _runs(folder: Path, is_run: Callable[[Path], bool]) -> list[Path]:
    """The runs in ``folder``, the newest first."""
    try:
        found = [one for one in folder.iterdir() if one.is_dir() and is_run(one)]
        return sorted(found, key=lambda one: one.stat().st_mtime, reverse=True)
    except OSError:
        return []


def _listed(found: list[Path]) -> str:
    if not found:
        return ""
    names = ", ".join(str(one) for one in found[:MOST])
    more = f", and {len(found) - MOST:,} more" if len(found) > MOST else ""
    return f"Give one of {names}{more}." if len(found) > 1 else f"Give {names}."


def _near(path: Path, is_run: Callable[[Path], bool]) -> str:
    """The run whose name is nearest, beside ``path`` or in ``runs``; "" where none is near."""
    beside = {one.name: one for folder in (path.parent / "runs", path.parent) for one in _runs(folder, is_run)}
    found = nearest(path.name, beside, most=1)
    return f"Did you mean {beside[found[0]]}?" if found else ""
