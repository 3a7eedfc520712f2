"""The gate in anybody's script: a callback that looks at the trainer before its first step, and refuses."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from sanetune.finding import Report

if TYPE_CHECKING:
    from sanetune.config.schema import LossOn


class Gate(TrainerCallback):
    """``trainer.add_callback(sanetune.Gate())``: training begins only when no check fails.

    Raises :class:`sanetune.finding.GateError` at ``on_train_begin`` otherwise. The report is kept in ``report`` and
    shown on standard error, warnings too. ``loss_on``, ``select`` and ``ignore`` are those of
    :func:`sanetune.api.check`.
    """

    def __init__(
        self, *, loss_on: LossOn | None = None, select: Sequence[str] = (), ignore: Sequence[str] = ()
    ) -> None:
        self.loss_on, self.select, self.ignore = loss_on, select, ignore
        self.report: Report | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Looks, shows, refuses. On the main process only: the others meet it at their first step."""
        if not state.is_world_process_zero:
            return
        from rich.console import Console

        from sanetune.report.terminal import findings
        from sanetune.workflows.check import look_at_trainer

        self.report = look_at_trainer(self._trainer(), loss_on=self.loss_on, select=self.select, ignore=self.ignore)
        findings.show(self.report, Console(stderr=True, highlight=False))
        self.report.raise_if_failed()

    def _trainer(self) -> Any:
        """transformers hands a callback everything but the trainer, which is the one that is calling."""
        frame = inspect.currentframe()
        while frame is not None:
            caller = frame.f_locals.get("self")
            handler = getattr(caller, "callback_handler", None)
            if handler is not None and self in handler.callbacks and hasattr(caller, "get_train_dataloader"):
                return caller
            frame = frame.f_back
        raise RuntimeError("Gate works as a callback of transformers' Trainer; nothing of the kind has called it")
