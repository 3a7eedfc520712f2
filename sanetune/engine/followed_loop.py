"""What those who follow a whole run need of its loop, so that records, step log and watch are those of every engine.

A loop speaks to them as transformers' trainer does, through callbacks with a ``TrainerState`` and a ``TrainerControl``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from sanetune.engine.row_groups import RowGroups
    from sanetune.engine.run_state import RunState
    from sanetune.engine.signals import Stop


class FollowedLoop(Protocol):
    """A loop that makes a whole run.

    Attributes:
        args: Its settings.
        state: Steps, epochs and the best evaluation.
        control: What is to be done after this step: log, evaluate, save, stop.
        model: The model as it trains.
        run_state: Counts and times since the run began.
        stop: Catches the signals.
        idle_seconds: Time that was not training.
        step_loss: The loss of this process since it was last set to zero, in nats per token in the loss.
        row_groups: The losses of the validation rows, at the last evaluation; None: there was none.
        ended_by: Raised once the loop is over, instead of making its result.
        on_rows: Called with the numbers of the rows of each step, a tensor for each micro-batch.
        on_step: Called after each step with its gradient norm and learning rate, before anything of it is logged.
    """

    args: TrainingArguments
    state: TrainerState
    control: TrainerControl
    model: nn.Module
    run_state: RunState
    stop: Stop
    idle_seconds: float
    step_loss: Tensor
    row_groups: RowGroups | None
    ended_by: Exception | None
    on_rows: Callable[[list[Tensor]], None] | None
    on_step: Callable[[Tensor | float | None, float | None], None] | None

    @property
    def processes(self) -> int:
        """How many train together."""

    def is_world_process_zero(self) -> bool:
        """Whether this process reports and writes."""

    def over_processes(self, sums: list[float]) -> list[float]:
        """Return each of ``sums`` added up over all processes, which ask together."""

    def tokens_seen(self) -> tuple[int, int]:
        """Return all tokens and the tokens in the loss since the run began, on all processes, which ask together."""

    def restore_open_loss(self) -> None:
        """Take over the losses of the steps since the last record of a run that was stopped."""

    def stop_agreed(self) -> bool:
        """Whether any process was asked to stop; all ask together."""

    def off_the_clock(self) -> AbstractContextManager[None]:
        """Time spent in here is not training time, and draws in here are not training's."""

    def load_weights(self, checkpoint: Path) -> None:
        """Give the model the weights of ``checkpoint``."""
