"""The seam between a training loop and everything that uses it: an engine builds a session, a session trains.

The gate, the probes and the commands know :class:`Engine`, :class:`Session` and :class:`RunSession` alone. A new loop
implements the first and the last in a package of its own, as ``engine/trl`` and ``engine/accelerate`` do, and is named
in :mod:`sanetune.engine.registry`.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sanetune.engine.distributed import whole
from sanetune.engine.precision import MixedPrecision, Precision
from sanetune.events import Publish, silent

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

    from sanetune.config.schema import Config
    from sanetune.curves.series import Point
    from sanetune.data.prepare import Prepared
    from sanetune.engine.adapters import Frozen
    from sanetune.engine.batch_shape import BatchShape
    from sanetune.engine.batches import Batch, Batches, Row
    from sanetune.engine.hooks import Hooks
    from sanetune.engine.loss import Measured
    from sanetune.engine.metrics import Record
    from sanetune.engine.watcher import RunWatcher
    from sanetune.runs import Run


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What a training loop runs with, after its own defaults were filled in.

    Attributes:
        per_device_train_batch_size: Rows of a micro-batch on one device.
        per_device_eval_batch_size: Rows of a validation batch on one device.
        gradient_accumulation_steps: Micro-batches of one optimizer step on one device.
        learning_rate: The planned peak.
        max_grad_norm: Norm to which gradients are clipped; None: they are not.
        mixed_precision: Format of matrix products beside 32-bit weights; None: that of the weights.
        activation_checkpointing: Whether activations are computed again in the backward pass instead of kept.
        activation_checkpointing_kwargs: What it was set up with, as transformers names it.
        groups_by_length: Whether rows of like length are batched together.
        dataloader_workers: Processes that make batches; 0: the training process itself.
        saves_checkpoints: Whether any are written before the end.
        save_only_model: Whether they leave out the optimizer's state, and so cannot be resumed.
        save_total_limit: Most checkpoints that are kept; None: all.
        world_size: Processes that train together.
    """

    per_device_train_batch_size: int
    per_device_eval_batch_size: int
    gradient_accumulation_steps: int
    learning_rate: float
    max_grad_norm: float | None = None
    mixed_precision: MixedPrecision | None = None
    activation_checkpointing: bool = False
    activation_checkpointing_kwargs: dict[str, Any] = field(default_factory=dict)
    groups_by_length: bool = False
    dataloader_workers: int = 0
    saves_checkpoints: bool = True
    save_only_model: bool = False
    save_total_limit: int | None = None
    world_size: int = 1


@dataclass(slots=True)
class Outcome:
    """How a run ended. Losses are per token in the loss, in nats.

    Attributes:
        steps: Optimizer steps done, those before a resumed stop included.
        epochs: Passes over the training rows, in parts too.
        train_loss: Of the last training record.
        validation_loss: Of the last evaluation; None: there was none.
        best_step: Step of the lowest validation loss that tuned weights have.
        best_validation_loss: That loss.
        base_validation_loss: Validation loss before the first step.
        stopped_early: Whether it ended before the planned number of steps.
        resumed_from: Step of the checkpoint that it went on from; None: it began anew.
        seconds: Time of training since the run began, without loading and saving the model; pauses do not count.
        tokens: Tokens seen since the run began, padding left out.
        loss_tokens: Those of them in the loss.
        frozen: What of the model was trained.
        model: The plain tuned model as it is in the run's folder, an adapter merged; None beside the main process.
        records: All of the run, in order.
        notes: Sentences that the user should be told.
    """

    steps: int
    epochs: float
    train_loss: float
    validation_loss: float | None
    best_step: int | None
    best_validation_loss: float | None
    base_validation_loss: float | None
    stopped_early: bool
    resumed_from: int | None
    seconds: float
    tokens: int
    loss_tokens: int
    frozen: Frozen
    model: PreTrainedModel | None = None
    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EpochBatches:
    """One epoch of batches of each split; ``validation`` is None where there are no validation rows."""

    train: Batches
    validation: Batches | None = None


@dataclass(frozen=True, slots=True)
class ShortRun:
    """The first steps of a run, on the whole run's learning rate schedule.

    Attributes:
        steps: Optimizer steps that are made.
        total_steps: Steps of the whole run, which the schedule spans.
        warmup_steps: Steps of warm-up.
        rows: Numbers of the training rows that may be used; None: all.
    """

    steps: int
    total_steps: int
    warmup_steps: int
    rows: list[int] | None = None


@dataclass(frozen=True, slots=True)
class StepBatches:
    """The micro-batches of one optimizer step, as this process took them from the dataloader.

    Attributes:
        tokens: Tokens, padding left out.
        loss_tokens: Those of them in the loss.
        padded_tokens: Tokens with padding.
        seconds: Time spent waiting for them.
        batches: The micro-batches themselves, where the loop passes them on.
    """

    tokens: int
    loss_tokens: int
    padded_tokens: int
    seconds: float
    batches: Sequence[Batch] = ()


class StepWatcher(Protocol):
    """Follows a short run, in every process."""

    def begin(self) -> None:
        """Called before the first step, with the model ready to train."""

    def batches(self, batches: StepBatches) -> None:
        """Called when the batches of a step were taken, before it is made."""

    def step(self, step: int) -> bool:
        """Called when ``step`` optimizer steps were made; returns whether to end the run here."""

    def point(self, point: Point) -> None:
        """Called after each step with its loss, learning rate and gradient norm."""


class Session(abc.ABC):
    """A model, its data and a training loop, of which probes take the parts that they need.

    Attributes:
        model: The model as it trains, with its adapter and frozen weights.
        settings: What the loop runs with.
        frozen: What of the model is trained.
        notes: Sentences that the user should be told.
    """

    model: PreTrainedModel
    settings: LoopSettings
    frozen: Frozen
    notes: list[str]

    @property
    def precision(self) -> Precision:
        """The number formats that the model is stored and computed in."""
        return Precision.of(self.model, self.settings.mixed_precision)

    @property
    def whole_model(self) -> PreTrainedModel | None:
        """The model, where this process has all of it; None where it is sharded."""
        return self.model

    @abc.abstractmethod
    def train_batches(self) -> Batches:
        """Return one epoch of this process's training micro-batches, in the order of the run's first epoch."""

    @abc.abstractmethod
    def collate(self, rows: Sequence[Row]) -> Batch:
        """Return ``rows`` as one batch, as the run makes them; in main memory."""

    @abc.abstractmethod
    def token_losses(self, batch: Batch) -> Tensor:
        """Return the cross entropy of every token of ``batch`` (B, T) in nats, in the run's precision; differentiable.

        It is 0 where the label is masked, and in the first column. This is the definition of the loss, computed apart
        from the loop's own.
        """

    @abc.abstractmethod
    def forward_backward_step(self, batches: Sequence[Batch], *, label_smoothing: bool = True) -> float:
        """Add the gradient of one optimizer step over ``batches`` to the weights, as the loop itself takes it.

        The model is in training mode afterwards. Gradients are neither clipped nor scaled; where the loss depends on no
        trained weight they stay None. With several processes each works alone, on batches of its own.

        Args:
            batches: The micro-batches of the step, on the model's device.
            label_smoothing: Whether labels are smoothed where the run smooths them.

        Returns:
            The loss per token in the loss, in nats.
        """

    @abc.abstractmethod
    def evaluate(self, batch: Batch) -> Measured:
        """Return the loss of ``batch`` (B, T) as the loop's own validation computes it."""

    @abc.abstractmethod
    def optimizer(self) -> AbstractContextManager[torch.optim.Optimizer]:
        """Return a context that gives the run's optimizer, fresh, at its planned peak, and lets it go at the end."""

    @abc.abstractmethod
    def train_briefly(self, run: ShortRun, watcher: StepWatcher) -> None:
        """Make the first steps of the run, with nothing saved, evaluated or published.

        The weights and random states are those of the run afterwards; the loop is as it was before.
        """

    @abc.abstractmethod
    def detached_copy(self) -> PreTrainedModel:
        """Return a copy of the model in main memory, without anything that the loop has bound to it: what is saved."""

    def set_activation_checkpointing(self, on: bool) -> None:
        """Switch activation checkpointing of the model on, as the run sets it up, or off."""
        from sanetune.engine.models import set_activation_checkpointing

        set_activation_checkpointing(self.model, on, self.settings.activation_checkpointing_kwargs)


class RunSession(Session):
    """A session that also trains the whole run."""

    @abc.abstractmethod
    def train(self, publish: Publish = silent, watcher: RunWatcher | None = None) -> Outcome:
        """Train the whole run; leave checkpoints, metrics, steps and the tuned model in the run's folder.

        Args:
            publish: Gets the events of training, on the main process; the metrics file gets them anyway.
            watcher: Follows the steps on the main process, and may end the run; the other processes give one too.

        Raises:
            StoppedByWatcherError: Where the watcher has stopped it, after a checkpoint.
            KeyboardInterrupt: After Ctrl-C or SIGTERM, once a checkpoint is written.
            UserError: For a disk that fills, memory that does not suffice, and the like.
        """

    # ---- what several processes have of it, to compare with one process ----

    def epoch_rows(self) -> list[list[int]] | None:
        """Return the numbers of the training rows of each micro-batch that this process gets in the first epoch.

        None: the loop cannot tell. The order of the run itself is not the same afterwards.
        """
        return None

    def full_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield each trained weight whole, with its name in the model; all processes ask together."""
        for name, weight in self.model.named_parameters():
            if weight.requires_grad:
                yield name, whole(weight)

    def write_weights(self, folder: Path) -> bool:
        """Write the trained weights into ``folder`` as a checkpoint has them; all processes call it together.

        Returns:
            Whether the loop can.
        """
        return False


class Engine(abc.ABC):
    """A training loop: builds sessions."""

    @abc.abstractmethod
    def build(
        self,
        config: Config,
        prepared: Prepared,
        run: Run,
        *,
        model: PreTrainedModel | None = None,
        resume: bool = False,
        hooks: Hooks | None = None,
    ) -> RunSession:
        """Load the model and set up the loop; nothing is trained yet.

        Args:
            config: The resolved configuration (``plan.config``).
            prepared: The rows.
            run: The folder that the run writes to.
            model: A base model that is loaded already; it is changed.
            resume: Whether to go on from the newest complete checkpoint, where there is one.
            hooks: Functions of the user's own in the loop.

        Raises:
            ConfigError: For hooks, where the loop has no place for them.
            UserError: For rows, settings or a model that cannot be trained.
        """

    @abc.abstractmethod
    def epoch(self, config: Config, prepared: Prepared) -> EpochBatches:
        """Return the very batches of one epoch of the run that ``config`` describes, without loading its model.

        Each of several processes gets the batches of all of them. Random states are left as they were.
        """

    @abc.abstractmethod
    def loss_on_shapes(self, model: PreTrainedModel, shape: BatchShape, device: str) -> Tensor:
        """Return a loss whose tensors have the sizes of those of a micro-batch of ``shape``; its value means nothing.

        It runs on fake tensors as well, so that the memory of a step is known before there is a model.

        Args:
            model: The model as it trains.
            shape: The batch.
            device: "cpu", "cuda" or "mps": where the run would be.
        """
