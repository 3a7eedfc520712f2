"""The engine that ``train.engine`` names: the one place that knows which engines there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import collector
from sanetune.engine.base import Engine

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.engine.training_parts import TrainingParts


def engine_of(config: Config) -> Engine:
    """Return the engine that ``config`` names. Its libraries are imported here, and not before.

    Raises:
        ValueError: For a name that no engine has; the configuration's types allow none.
    """
    if config.train.engine == "trl":
        with collector.importing():
            from sanetune.engine.trl.engine import TrlEngine
        return TrlEngine()
    if config.train.engine == "accelerate":
        with collector.importing():
            from sanetune.engine.accelerate.engine import AccelerateEngine
        return AccelerateEngine()
    raise ValueError(f"there is no engine {config.train.engine!r}")


def training_parts(config: Config, prepared: Prepared) -> TrainingParts:
    """Return what a loop of the user's own on Accelerate needs of the run that ``config``, resolved, describes."""
    from sanetune.engine.accelerate.own_loop import training_parts

    return training_parts(config, prepared)
