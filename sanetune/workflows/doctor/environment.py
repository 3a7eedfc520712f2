"""Disk, trackers, and settings of the environment that change what a run does."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from sanetune import units
from sanetune.bytecode import COMMAND, advice
from sanetune.data.cache import cache_folder
from sanetune.workflows.doctor.examined import Examined, State

LITTLE = 5 * 2**30
"""Free bytes below which the checkpoints of a small model may not fit."""
TRACKERS = {"tensorboard": "tensorboard", "wandb": "wandb", "trackio": "trackio", "mlflow": "mlflow"}
"""Tracker -> the package that it needs."""
EXTRAS = ("wandb", "trackio")
"""Trackers that are an extra of sanetune."""


def disk() -> list[Examined]:
    """Free bytes where runs, prepared data and downloaded models are kept, and whether they can be written to."""
    from huggingface_hub import constants

    places = {
        "runs": Path.cwd(),
        "prepared data": cache_folder(),
        "models": Path(constants.HF_HUB_CACHE),
    }
    return [_place(name, path) for name, path in places.items()]


def _place(name: str, path: Path) -> Examined:
    there = next(one for one in (path, *path.parents) if one.is_dir())
    free = shutil.disk_usage(there).free
    words = f"{units.bytes_(free)} free in {path}"
    if not os.access(there, os.W_OK):
        # Models may be read from a folder that somebody else fills.
        state: State = "note" if name == "models" else "broken"
        return Examined("disk", name, state, f"{words}, which cannot be written to")
    return Examined("disk", name, "note" if free < LITTLE else "ok", words)


def trackers() -> list[Examined]:
    """Each tracker: installed and logged in, or what is missing."""
    from sanetune.checks.config._tracker_logins import readiness

    found = []
    for name, package in TRACKERS.items():
        if importlib.util.find_spec(package) is None:
            command = f"pip install 'sanetune[{name}]'" if name in EXTRAS else f"pip install {package}"
            found.append(Examined("trackers", name, "missing", "not installed", command))
        elif ready := readiness(name):
            found.append(Examined("trackers", name, "ok", ready))
        else:
            command = "wandb login" if name == "wandb" else ""
            found.append(Examined("trackers", name, "note", "installed, and would ask for a login", command))
    return found


def settings() -> list[Examined]:
    """Compiled libraries, access to the Hub, and threads."""
    found = []
    compiled = advice()
    words = "the libraries are compiled" if not compiled else "every command compiles the libraries anew"
    found.append(Examined("environment", "bytecode", "note" if compiled else "ok", words, COMMAND if compiled else ""))
    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    found.append(_hub(offline))
    if threads := os.environ.get("OMP_NUM_THREADS"):
        found.append(Examined("environment", "threads", "ok", f"OMP_NUM_THREADS is {threads}"))
    return found


def _hub(offline: bool) -> Examined:
    from huggingface_hub import get_token

    if offline:
        return Examined("environment", "hub", "note", "HF_HUB_OFFLINE is set: nothing is downloaded")
    if get_token():
        return Examined("environment", "hub", "ok", "a token is there; whether it is valid was not asked")
    return Examined("environment", "hub", "note", "no token: gated models cannot be downloaded", "hf auth login")
