"""Where metrics also go: TensorBoard, Weights & Biases, trackio."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sanetune.errors import ConfigError
from sanetune.runs import Run

if TYPE_CHECKING:
    from sanetune.config.schema import Config

KNOWN = {"tensorboard": "tensorboard", "wandb": "wandb", "trackio": "trackio"}
"""Tracker name to the package that it needs. Others that transformers knows (mlflow, comet_ml, …) are passed on."""


def used(config: Config) -> list[str]:
    """Return the trackers of a run; see :func:`check` for what is refused."""
    return check(config.train.given.get("report_to") or getattr(config.run, "trackers", None) or [])


def check(names: Sequence[str]) -> list[str]:
    """The trackers to report to. :class:`ConfigError` for an unknown one or one whose package is not installed."""
    names = [name for name in ([names] if isinstance(names, str) else names) if name != "none"]
    for name in names:
        if error := refusal(name):
            raise error
    return names


def refusal(name: str) -> ConfigError | None:
    """Why a run cannot report to the tracker ``name``; None: it can."""
    from transformers.integrations.integration_utils import (
        INTEGRATION_TO_CALLBACK,
        get_available_reporting_integrations,
    )

    if name not in INTEGRATION_TO_CALLBACK:
        return ConfigError(
            f"run.trackers names {name!r}, which is none.",
            remedy=f"Known: {', '.join(sorted(INTEGRATION_TO_CALLBACK))}.",
        )
    package = KNOWN.get(name, name)
    # Some packages are not called as their tracker is (azure_ml): transformers knows.
    if importlib.util.find_spec(package) is None and name not in get_available_reporting_integrations():
        extra = f"pip install 'sanetune[{name}]'" if name in KNOWN else f"pip install {package}"
        return ConfigError(
            f"run.trackers names {name}, but the package {package} is not installed.",
            "Its metrics would be lost.",
            f"{extra}, or take it out of run.trackers (metrics.jsonl is always written).",
        )
    return None


def configure(names: Sequence[str], run: Run) -> None:
    """Tell the trackers, through their environment variables, to write into the run's folder. What is set stays."""
    if "tensorboard" in names:
        # transformers has no other way to say it since `logging_dir` went away.
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(run.tensorboard)
    if "wandb" in names:
        os.environ.setdefault("WANDB_PROJECT", "sanetune")
        os.environ.setdefault("WANDB_DIR", str(run.path))
