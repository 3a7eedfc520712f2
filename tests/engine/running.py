"""A run in one call."""

from __future__ import annotations

from typing import Any

from sanetune.engine.base import Outcome
from sanetune.engine.registry import engine_of
from sanetune.events import Publish, silent
from sanetune.runs import Run


def train(config: Any, prepared: Any, run: Run, publish: Publish = silent, **build: Any) -> Outcome:
    """Build a session of the engine that ``config`` names, and train it."""
    return engine_of(config).build(config, prepared, run, **build).train(publish)
