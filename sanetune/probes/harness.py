"""The probe harness: the run's model and batches for experiments that are undone.

A harness has the session that a run would train. What a probe changes (trained weights, gradients, random states,
modes) is restored; only the trained weights are copied, into main memory.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sanetune.engine.base import Engine, LoopSettings, Session
from sanetune.engine.batches import Batch, Row, loss_token_count, on_device, tensors_of, token_counts
from sanetune.engine.distributed import unsharded
from sanetune.engine.isolation import undivided
from sanetune.engine.library_logs import quiet
from sanetune.engine.registry import engine_of
from sanetune.probes.cut_batches import cut, most_tokens
from sanetune.probes.weight_backup import WeightBackup
from sanetune.rng import kept_modes, kept_random_states
from sanetune.runs import Run

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedModel

    from sanetune.config.schema import Config
    from sanetune.curves.series import Evaluation
    from sanetune.data.prepare import Prepared
    from sanetune.probes.heldout import HeldOutRows

BATCHES = 4
"""Micro-batches of the first epoch that probes use."""


@dataclass
class ProbeHarness:
    """A session whose weights probes may change, since they are restored.

    Attributes:
        session: The model and the training loop of the run.
        config: The resolved configuration.
        prepared: The rows.
        batches: The first micro-batches of training, on the model's device, in the order of the first epoch. A large
            model on a processor gets the first rows of each (:mod:`sanetune.probes.cut_batches`).
        at_start: Evaluations of held-out rows before any step, which several probes compare theirs with.
    """

    session: Session
    config: Config
    prepared: Prepared
    batches: list[Batch]
    at_start: dict[HeldOutRows, Evaluation] = field(default_factory=dict)

    @property
    def model(self) -> PreTrainedModel:
        """The model as it is trained, with its adapter and frozen weights."""
        return self.session.model

    @property
    def settings(self) -> LoopSettings:
        """Settings of the training loop."""
        return self.session.settings

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        device: torch.device = next(self.model.parameters()).device
        return device

    @functools.cached_property
    def most_tokens(self) -> int | None:
        """Tokens of a batch that are enough for a probe; None: all, since the device is fast."""
        return most_tokens(self.model, self.device)

    @property
    def vocab_size(self) -> int:
        """Tokens that the model can write: rows of its embedding."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    def trained(self) -> dict[str, Tensor]:
        """Return the weights that training changes, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    @contextlib.contextmanager
    def untouched(self, *, training: bool = False) -> Iterator[WeightBackup]:
        """Restore weights, gradients, random states and modes bit for bit at the end, also after an exception.

        Args:
            training: Whether dropout is on inside the context.

        Yields:
            The trained weights as they were before.
        """
        kept = WeightBackup(self.trained())
        buffers = {name: value.detach().clone() for name, value in self.model.named_buffers()}
        try:
            with kept_random_states(), kept_modes(self.model):
                self.model.train(training)
                yield kept
        finally:
            with torch.no_grad():
                kept.put_back(self.trained())
                for name, value in self.model.named_buffers():
                    value.copy_(buffers[name])
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def token_losses(self, batch: Batch) -> Tensor:
        """Return the cross entropy of each token of ``batch`` in nats: (B, T), 0 where the label is masked.

        The first column is 0, since nothing predicts it.
        """
        return self.session.token_losses(batch)

    def loss(self, batches: Sequence[Batch] | None = None) -> float:
        """Return the mean loss of ``batches`` (None: the harness's own) in nats per token in the loss."""
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in self.batches if batches is None else batches:
                total += float(self.token_losses(batch).double().sum())
                count += loss_token_count(batch)
        return total / max(1, count)

    def gradients(self, batches: Sequence[Batch] | None = None, *, label_smoothing: bool = True) -> float:
        """Add the training loop's gradient of one step over ``batches`` to the weights, and return the loss.

        Dropout is off, so that the result can be reproduced. The memory is that of training, with activation
        checkpointing where the run uses it.

        Args:
            batches: The micro-batches of the step; None: the harness's own.
            label_smoothing: Whether labels are smoothed where the run smooths them.
        """
        some = self.batches if batches is None else list(batches)
        with kept_modes(self.model), without_dropout(self.model):
            return self.session.forward_backward_step(some, label_smoothing=label_smoothing)

    def evaluate(self, batch: Batch) -> None:
        """Compute the loss of ``batch`` as the loop's own validation does."""
        with kept_modes(self.model):
            self.model.eval()
            self.session.evaluate(batch)

    def clip(self) -> None:
        """Clip the gradients as the run does."""
        if (limit := self.settings.max_grad_norm) and limit > 0:
            torch.nn.utils.clip_grad_norm_(self.trained().values(), limit)

    def optimizer(self) -> contextlib.AbstractContextManager[torch.optim.Optimizer]:
        """Return a context with a new optimizer of the run, at its peak learning rate; it is freed at the end."""
        return self.session.optimizer()

    def first_batches(self, count: int) -> list[Batch]:
        """Return the first ``count`` micro-batches of training, starting again where an epoch has fewer.

        All processes get the micro-batches of the first process, so that they run the same collective operations.
        """
        batches: list[Batch] = []
        with torch.random.fork_rng():
            while len(batches) < count:
                before = len(batches)
                for batch in self.session.train_batches():
                    batches.append(tensors_of(batch))
                    if len(batches) == count:
                        break
                if len(batches) == before:
                    break
        if self.settings.world_size > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(batches)
        return [on_device(batch, self.device) for batch in batches]

    def longest_batch(self, rows: datasets.Dataset, size: int) -> Batch:
        """Return a batch of the ``size`` longest of ``rows``, which is as large as any batch of the run."""
        lengths = token_counts(rows)
        longest = sorted(range(len(lengths)), key=lambda number: -lengths[number])[:size]
        return self.collate([rows[number] for number in longest])

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Return ``rows`` as one batch of the run, on the model's device."""
        return on_device(self.session.collate(rows), self.device)


@contextlib.contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Turn dropout off and leave training mode on, since models checkpoint activations in that mode alone."""
    changed = []
    for module in model.modules():
        names = [name for name, value in vars(module).items() if "drop" in name and isinstance(value, float)]
        names += ["p"] if isinstance(module, nn.modules.dropout._DropoutNd) else []
        for name in names:
            changed.append((module, name, getattr(module, name)))
            setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, value in changed:
            setattr(module, name, value)


@contextlib.contextmanager
def probe_harness(
    config: Config, prepared: Prepared, engine: Engine | None = None, model: PreTrainedModel | None = None
) -> Iterator[ProbeHarness]:
    """Build the harness of a run; its model is freed at the end.

    Args:
        config: The resolved configuration.
        prepared: The rows.
        engine: Builds the session; None: the engine that ``config`` names.
        model: A base model that is loaded already; it is changed.

    Yields:
        The harness.
    """
    config = undivided(config)
    with tempfile.TemporaryDirectory() as folder, quiet(), unsharded():
        session = (engine or engine_of(config)).build(config, prepared, Run(Path(folder)), model=model)
        if session.settings.activation_checkpointing:
            # As a run does at its start, so that probes need the same memory.
            session.set_activation_checkpointing(True)
        harness = ProbeHarness(session, config, prepared, [])
        # Fewer batches where an epoch has fewer, so that none is used twice.
        whole = harness.first_batches(min(BATCHES, len(session.train_batches())))
        harness.batches = [cut(batch, harness.most_tokens) for batch in whole]
        yield harness
