"""A run in one call, what it says, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from sanetune.engine.base import Outcome
from sanetune.engine.metrics import Record
from sanetune.engine.registry import engine_of
from sanetune.events import Event, Note, Publish, RecordLogged, StepFinished, TrainingEnded, silent
from sanetune.runs import Run


def train(config: Any, prepared: Any, run: Run, publish: Publish = silent, **build: Any) -> Outcome:
    """Build a session of the engine that ``config`` names, and train it."""
    return engine_of(config).build(config, prepared, run, **build).train(publish)


class Follower:
    """Remembers the events of a run, and may do something at a step."""

    def __init__(self, at: int = -1, do: Callable[[], Any] = lambda: None) -> None:
        self.at, self.do = at, do
        self.records: list[Record] = []
        self.notes: list[str] = []
        self.ended = 0

    def __call__(self, event: Event) -> None:
        match event:
            case StepFinished(self.at):
                self.do()
            case RecordLogged(record):
                self.records.append(record)
            case Note(text):
                self.notes.append(text)
            case TrainingEnded():
                self.ended += 1


def weights(run: Run) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(run.model / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
