"""The gate in somebody's own training script: a callback that checks the trainer before its first step."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

from transformers import Trainer, TrainerCallback

from sanetune.finding import Report

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from sanetune.config.section import LossOn
    from sanetune.evidence.registry import Level


class Gate(TrainerCallback):
    """Lets training begin only when no check fails: ``trainer.add_callback(sanetune.Gate(trainer))``.

    :func:`guard` does the same in one call. The report is kept in ``report`` and printed to standard error, warnings
    too.

    Args:
        trainer: The trainer that is checked. A callback that is given to a trainer's constructor cannot know it yet;
            then it is found when training begins.
        level: ``static``, ``probe`` or ``trial``: how far the checks go (:func:`sanetune.check`).
        loss_on: Which tokens are meant to be in the loss; None: it is read off the rows.
        select: Names of checks or families that are run; none: all.
        ignore: Names of checks or families that are left out.
        budget: Seconds that experiments on the model may take, about; None: as many as the run itself.

    Raises:
        sanetune.finding.GateError: When training begins, where a check fails.
    """

    def __init__(
        self,
        trainer: Trainer | None = None,
        *,
        level: Level = "static",
        loss_on: LossOn | None = None,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        budget: float | None = None,
    ) -> None:
        self.trainer = trainer
        self.level, self.budget = level, budget
        self.loss_on, self.select, self.ignore = loss_on, select, ignore
        self.report: Report | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Check on all processes together; print on the main one; refuse on all."""
        from rich.console import Console

        from sanetune.report.terminal import findings
        from sanetune.report.terminal.live import LiveTerminal
        from sanetune.workflows.check import check_trainer

        trainer = self.trainer or caller_of(self)
        self.report = check_trainer(
            trainer,
            level=self.level,
            loss_on=self.loss_on,
            select=self.select,
            ignore=self.ignore,
            budget=self.budget,
            publish=LiveTerminal(),
        )
        if state.is_world_process_zero:
            findings.show(self.report, Console(stderr=True, highlight=False))
        self.report.raise_if_failed()


def caller_of(callback: TrainerCallback) -> Trainer:
    """Return the trainer that is calling ``callback``: transformers hands a callback everything but that."""
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, Trainer) and callback in caller.callback_handler.callbacks:
            return caller
        frame = frame.f_back
    name = type(callback).__name__
    raise RuntimeError(f"{name} works as a callback of transformers' Trainer, and none has called it")


def guard(
    trainer: Trainer,
    *,
    level: Level = "static",
    loss_on: LossOn | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    budget: float | None = None,
) -> Gate:
    """Put the gate in front of ``trainer``: ``trainer.train()`` begins only when no check fails.

    Example:
        >>> gate = sanetune.guard(trainer)  # doctest: +SKIP
        >>> trainer.train()  # doctest: +SKIP

    Args:
        trainer: A built ``transformers.Trainer`` or ``trl.SFTTrainer``.
        level: ``static``, ``probe`` or ``trial``: how far the checks go (:func:`sanetune.check`).
        loss_on: Which tokens are meant to be in the loss; None: it is read off the rows.
        select: Names of checks or families that are run; none: all.
        ignore: Names of checks or families that are left out.
        budget: Seconds that experiments on the model may take, about; None: as many as the run itself.

    Returns:
        The callback, whose ``report`` is there once training has begun.
    """
    gate = Gate(trainer, level=level, loss_on=loss_on, select=select, ignore=ignore, budget=budget)
    trainer.add_callback(gate)
    return gate
