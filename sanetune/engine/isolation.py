"""Keeps what only checks a run from reaching a tracker or a hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.config.schema import Config


def isolated(config: Config) -> Config:
    """Return a copy of ``config`` that has no trackers and pushes nothing to a hub.

    A transformers Trainer creates the repository of ``push_to_hub`` when it is built, before its first step.
    """
    copy = config.model_copy(deep=True)
    copy.run.trackers = []
    for key in ("push_to_hub", "report_to"):
        copy.train.given.pop(key, None)
    return copy
