"""A session of a trainer that somebody has built: steps, optimizer and short runs are made by its own methods."""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from transformers import Trainer

from sanetune.engine import loss
from sanetune.engine.adapters import Frozen, base_of, numbers_of
from sanetune.engine.base import Session, ShortRun, StepWatcher
from sanetune.engine.batches import Batch, Row, TrainerBatch, loss_token_count, on_device
from sanetune.engine.library_logs import quiet
from sanetune.engine.loop_settings import loop_settings
from sanetune.engine.loss import Measured
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.engine.own.kept import kept_modules
from sanetune.engine.own.optimizers import at_peak, planned_lr
from sanetune.engine.own.short_run import shorten
from sanetune.engine.own.stand_in import attach_loss, stand_in
from sanetune.engine.own.together import take_alone, together
from sanetune.engine.watched_steps import WatchedSteps
from sanetune.errors import RunError
from sanetune.rng import kept_modes, kept_random_states
from sanetune.text import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.curves.series import Point


class TrainerData(Protocol):
    """How batches of a trainer are read without moving anything of the user's on.

    Attributes:
        pad: Id that fills the rest of a row.
        own_loss: Whether the loss is computed by the user's own code, so that its values are in units of its own.
    """

    pad: int
    own_loss: bool

    def train_batches(self, trainer: Trainer) -> AbstractContextManager[Iterable[dict[str, Any]]]:
        """One epoch of the training batches of ``trainer``, a stand-in."""

    def labels(self, batch: dict[str, Any]) -> Tensor:
        """The labels (B, T) that the loss of the trainer acts on."""

    def collate(self, rows: Sequence[Row]) -> dict[str, Any] | None:
        """The batch that the trainer makes of these rows; None where they are none of its data set's."""


class OwnSession(Session):
    """See :class:`sanetune.engine.base.Session`. Use it inside :func:`sanetune.engine.own.kept.kept`.

    Args:
        trainer: The user's.
        data: Reads its batches.
        folder: Where stand-ins may write.
        processes: Whose micro-batches one step takes; this one makes the steps of all of them.
    """

    def __init__(self, trainer: Trainer, data: TrainerData, folder: Path, processes: int = 1) -> None:
        self._given, self._data, self._folder, self._processes = trainer, data, folder, processes
        given = loop_settings(trainer.args)
        self.settings = replace(
            given,
            learning_rate=planned_lr(trainer),
            gradient_accumulation_steps=given.gradient_accumulation_steps * processes,
        )
        self.notes = []
        weights = list(trainer.model.parameters())
        trained = numbers_of(weight for weight in weights if weight.requires_grad)
        self.frozen = Frozen({}, trained, numbers_of(weights))
        self._double = self.stand_in()
        attach_loss(self._double)

    @property
    def model(self) -> PreTrainedModel:  # type: ignore[override]
        """The model as it trains."""
        model: PreTrainedModel = self._given.model
        return model

    def stand_in(self) -> Trainer:
        """Return a new copy of the trainer, as it was built."""
        double = stand_in(self._given, self._folder)
        take_alone(double)
        return double

    def train_batches(self) -> _Epoch:
        """See :meth:`sanetune.engine.base.Session.train_batches`."""
        return _Epoch(self)

    def read(self, batch: dict[str, Any]) -> TrainerBatch:
        """What probes read of a batch of the trainer: the model's inputs, and the labels that its loss acts on."""
        return TrainerBatch(model_inputs(self.model, batch, self._data.labels(batch)), dict(batch))

    def collate(self, rows: Sequence[Row]) -> Batch:
        """See :meth:`sanetune.engine.base.Session.collate`; rows that are not the data set's are padded."""
        from sanetune.data.collator import Collator

        made = self._data.collate(rows)
        if made is not None:
            return self.read(made)
        return Collator(self._data.pad)([{name: row[name] for name in ("input_ids", "labels")} for row in rows])

    def token_losses(self, batch: Batch) -> Tensor:
        """See :meth:`sanetune.engine.base.Session.token_losses`."""
        with self._double.accelerator.autocast(), self._double.compute_loss_context_manager():
            return loss.token_losses(self.model, dict(batch))

    def forward_backward_step(self, batches: Sequence[Batch], *, label_smoothing: bool = True) -> float:
        """See :meth:`sanetune.engine.base.Session.forward_backward_step`."""
        double, smoother = self._double, self._double.label_smoother
        before = self._mean(batches) if self._data.own_loss else math.nan
        own = [batch.own if isinstance(batch, TrainerBatch) else dict(batch) for batch in batches]
        double.label_smoother = smoother if label_smoothing else None
        whole = len(own) == self.settings.gradient_accumulation_steps
        try:
            with (
                together(double, self._processes if whole else 1),
                _of_the_trainer("a step on its first batches"),
                double.accelerator.autocast(),
                _unseen(),
            ):
                samples, items = double.get_batch_samples(iter(own), len(own), double.args.device)
                double.current_gradient_accumulation_steps = len(samples)
                parts = [double.training_step(self.model, dict(one), items) for one in samples]
        finally:
            double.label_smoother = smoother
        if (scaler := getattr(double.accelerator, "scaler", None)) is not None:
            for weight in self.model.parameters():
                if weight.requires_grad and weight.grad is not None:
                    weight.grad.div_(scaler.get_scale())
        total = sum(float(part.detach()) for part in parts)
        return before if self._data.own_loss and math.isfinite(total) else total

    def _mean(self, batches: Sequence[Batch]) -> float:
        """The loss per token of ``batches``, whatever the trainer makes of it."""
        count = sum(map(loss_token_count, batches))
        with torch.no_grad():
            total = sum(float(self.token_losses(self._placed(batch)).double().sum()) for batch in batches)
        return total / max(1, count)

    def _placed(self, batch: Batch) -> Batch:
        return on_device(batch, next(self.model.parameters()).device)

    def evaluate(self, batch: Batch) -> Measured:
        """See :meth:`sanetune.engine.base.Session.evaluate`."""
        with torch.no_grad():
            return Measured.of(float(self.token_losses(batch).double().sum()), loss_token_count(batch))

    @contextlib.contextmanager
    def optimizer(self) -> Iterator[torch.optim.Optimizer]:
        """See :meth:`sanetune.engine.base.Session.optimizer`."""
        double = self.stand_in()
        if double.optimizer is None and not any(weight.requires_grad for weight in self.model.parameters()):
            yield torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=self.settings.learning_rate)
            return
        if double.optimizer is None:
            with _of_the_trainer("the construction of its optimizer"), _unseen():
                double.create_optimizer_and_scheduler(1)
        yield at_peak(double.optimizer, self.settings.learning_rate)

    def train_briefly(self, run: ShortRun, watcher: StepWatcher) -> None:
        """See :meth:`sanetune.engine.base.Session.train_briefly`. Which rows are left is its data's matter."""
        double = self.stand_in()
        watched = _OwnSteps(self, watcher, self._data)
        shorten(double, run, watched.batches_taken)
        double.callback_handler.add_callback(watched)
        with kept_modules(self.model), self._data.train_batches(double) as loader, quiet(), _unseen():
            double.get_train_dataloader = lambda: loader  # type: ignore[method-assign, assignment]
            with _of_the_trainer("its first steps"), together(double, self._processes):
                double.train()

    def detached_copy(self) -> PreTrainedModel:
        """See :meth:`sanetune.engine.base.Session.detached_copy`."""
        copied = copy.deepcopy(self.model).to("cpu")
        for part in (copied, base_of(copied)):
            part.__dict__.pop("forward", None)  # accelerate's, or TRL's
        return copied


def model_inputs(model: PreTrainedModel, batch: dict[str, Any], labels: Tensor) -> Batch:
    """Return what ``model`` takes of a trainer's batch (B, T), with ``labels`` (B, T)."""
    ids = batch["input_ids"]
    taken = inspect.signature(type(base_of(model)).forward).parameters
    inputs = {
        name: value
        for name, value in batch.items()
        if name in taken and isinstance(value, Tensor) and value.shape == ids.shape
    }
    if not {"attention_mask", "position_ids"} & set(inputs):
        inputs["attention_mask"] = torch.ones_like(ids)
    return inputs | {"labels": labels}


class _Epoch:
    """One epoch of batches, read anew each time."""

    def __init__(self, session: OwnSession) -> None:
        self._session = session

    def __len__(self) -> int:
        """Batches of an epoch; 1 where nobody knows."""
        with self._session._data.train_batches(self._session.stand_in()) as loader:
            try:
                return len(loader)  # type: ignore[arg-type]
            except TypeError:
                return 1

    def __iter__(self) -> Iterator[Batch]:
        with self._session._data.train_batches(self._session.stand_in()) as loader:
            for batch in loader:
                yield self._session.read(batch)


class _OwnSteps(WatchedSteps):
    """Passes steps on; where the loss is the user's own, its points are the loss per token all the same."""

    def __init__(self, session: OwnSession, watcher: StepWatcher, data: TrainerData) -> None:
        super().__init__(watcher, data.pad)
        self._session, self._data = session, data
        self._means: list[float] = []

    def batches_taken(self, batches: list[dict[str, Any]], seconds: float) -> None:
        """The micro-batches that a step is about to be made on."""
        read: list[Batch] = [self._session.read(batch) for batch in batches]
        self.batches(read, seconds)
        if self._data.own_loss:
            with kept_random_states(), kept_modes(self._session.model):
                self._session.model.eval()
                self._means.append(self._session._mean(read))

    def point(self, point: Point) -> Point:
        """``point`` with the loss per token of its step."""
        known = self._data.own_loss and math.isfinite(point.loss) and 0 < point.step <= len(self._means)
        return replace(point, loss=self._means[point.step - 1]) if known else point


@contextlib.contextmanager
def _of_the_trainer(doing: str) -> Iterator[None]:
    """What the user's own code raises is the user's to know: training would end in it as well."""
    try:
        yield
    except RunError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise RunError(
            f"The trainer raises in {doing}: {type(error).__name__}: {one_line(str(error), 160)}",
            "trainer.train() would end in the same error.",
            "Its own code (loss, collator, optimizer) is named in the traceback of trainer.train().",
        ) from error


@contextlib.contextmanager
def _unseen() -> Iterator[None]:
    """Warnings of the libraries come again when the run is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
