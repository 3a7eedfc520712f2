"""Keeps what only checks a run from reaching a tracker or a hub, and from dividing the model among processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanetune.config.schema import Config


SHARDING_KEYS = ("fsdp", "fsdp_config", "deepspeed")
"""Keys of ``train`` with which a run divides its weights among processes."""


def isolated(config: Config) -> Config:
    """Return a copy of ``config`` that has no trackers and pushes nothing to a hub.

    A transformers Trainer creates the repository of ``push_to_hub`` when it is built, before its first step.
    """
    copy = config.model_copy(deep=True)
    copy.run.trackers = []
    for key in ("push_to_hub", "report_to"):
        copy.train.given.pop(key, None)
    return copy


def undivided(config: Config) -> Config:
    """Return :func:`isolated` ``config`` without the keys with which the run divides its weights among processes.

    What is built to check has a whole model in each process, and one process alone cannot divide any: a transformers
    Trainer refuses to be built.

    Raises:
        ConfigError: The run is to train under DeepSpeed, which is not installed.
    """
    from sanetune.engine.arguments import require_deepspeed

    if config.train.given.get("deepspeed"):
        require_deepspeed(config)
    copy = isolated(config)
    for key in SHARDING_KEYS:
        copy.train.given.pop(key, None)
    return copy
