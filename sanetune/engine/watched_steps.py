"""From the steps of a transformers Trainer to a watcher."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sanetune.curves.logs.entries import training_point
from sanetune.curves.series import Point
from sanetune.engine.base import StepBatches, StepWatcher
from sanetune.engine.batches import Batch, loss_token_count, real_token_count


def logged_point(state: TrainerState, logs: dict[str, Any] | None) -> Point | None:
    """Return what transformers logged of a training step; None where the entry is about something else."""
    return training_point((logs or {}) | {"step": state.global_step, "epoch": state.epoch})


class WatchedSteps(TrainerCallback):
    """Passes the steps of a trainer on to a watcher, and ends training where the watcher asks for it."""

    def __init__(self, watcher: StepWatcher, pad_token_id: int) -> None:
        self._watcher, self._pad = watcher, pad_token_id

    def batches(self, batches: list[Batch], seconds: float) -> None:
        """The micro-batches of the next step, and the seconds that they took."""
        self._watcher.batches(
            StepBatches(
                sum(int(real_token_count(batch, self._pad)) for batch in batches),
                sum(loss_token_count(batch) for batch in batches),
                sum(batch["input_ids"].numel() for batch in batches),
                seconds,
                batches,
            )
        )

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._watcher.begin()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        control.should_log = True
        if self._watcher.step(state.global_step):
            control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        if (point := logged_point(state, logs)) is not None:
            self._watcher.point(self.point(point))

    def point(self, point: Point) -> Point:
        """What is passed on of a logged point."""
        return point
