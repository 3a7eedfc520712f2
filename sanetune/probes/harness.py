"""The real model and the real batches, for a few forward and backward passes that leave everything as it was.

A harness holds the very session that a run would train. What a probe changes (trained weights, gradients, random
states, modes) is put back from a copy of the trained weights alone, which lies outside the device.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from sanetune.engine.base import Engine, LoopSettings, Session
from sanetune.engine.batches import Batch, loss_token_count, on_device, token_counts
from sanetune.engine.library_logs import quiet
from sanetune.engine.registry import engine_of
from sanetune.probes.weight_backup import WeightBackup
from sanetune.rng import kept_modes, kept_random_states
from sanetune.runs import Run

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedModel

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared

BATCHES = 4
"""Micro-batches of the first epoch that probes are made on."""


@dataclass(slots=True)
class ProbeHarness:
    """A session whose weights probes may change and get back.

    Attributes:
        session: The model and the loop of the run.
        config: The resolved configuration.
        prepared: The rows.
        batches: The first micro-batches of training, on the model's device, in the order of the first epoch.
    """

    session: Session
    config: Config
    prepared: Prepared
    batches: list[Batch]

    @property
    def model(self) -> PreTrainedModel:
        """The model as it trains, with its adapter and frozen weights."""
        return self.session.model

    @property
    def settings(self) -> LoopSettings:
        """What the loop runs with."""
        return self.session.settings

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        where: torch.device = next(self.model.parameters()).device
        return where

    @property
    def vocab_size(self) -> int:
        """Tokens that the model can write: rows of its embedding."""
        return int(self.model.get_input_embeddings().weight.shape[0])

    def trained(self) -> dict[str, Tensor]:
        """Return the weights that training changes, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    @contextlib.contextmanager
    def untouched(self, *, training: bool = False) -> Iterator[WeightBackup]:
        """Put weights, gradients, random states and modes back at the end, bit for bit, whatever happens within.

        Gives the trained weights as they were before. ``training``: whether dropout is on within.
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
        """Return the cross entropy of every token of ``batch`` (B, T) in nats; 0 where the label is masked, and in the
        first column."""
        return self.session.token_losses(batch)

    def loss(self, batches: Sequence[Batch] | None = None) -> float:
        """Return the loss per token in the loss over ``batches`` (None: the harness's own), in nats."""
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in self.batches if batches is None else batches:
                total += float(self.token_losses(batch).double().sum())
                count += loss_token_count(batch)
        return total / max(1, count)

    def gradients(self, batches: Sequence[Batch] | None = None, *, label_smoothing: bool = True) -> float:
        """Add the gradient of one step over ``batches``, as the loop itself takes it, to the weights; return the loss.

        Dropout is off, so that it can be repeated. The memory is that of training: activation checkpointing is on where
        the run has it.

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
        """Return a context that gives the run's optimizer, fresh, at its planned peak, and lets it go at the end."""
        return self.session.optimizer()

    def first_batches(self, count: int) -> list[Batch]:
        """Return the first ``count`` micro-batches of training, from the start again where an epoch has fewer.

        All processes get those of the first one, so that they do the same and none waits for another.
        """
        batches: list[Batch] = []
        with torch.random.fork_rng():
            while len(batches) < count:
                before = len(batches)
                for batch in self.session.train_batches():
                    batches.append({name: value for name, value in batch.items() if hasattr(value, "to")})
                    if len(batches) == count:
                        break
                if len(batches) == before:
                    break
        if self.settings.world_size > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(batches)
        return [on_device(batch, self.device) for batch in batches]

    def longest_batch(self, rows: datasets.Dataset, size: int) -> Batch:
        """Return a batch of the ``size`` longest of ``rows``: none that the run will meet is larger."""
        lengths = token_counts(rows)
        longest = sorted(range(len(lengths)), key=lambda number: -lengths[number])[:size]
        return on_device(self.session.collate([rows[number] for number in longest]), self.device)


@contextlib.contextmanager
def without_dropout(model: nn.Module) -> Iterator[None]:
    """Turn dropout off and nothing else: what models do in training mode alone (checkpointing) they still do."""
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
def probe_harness(config: Config, prepared: Prepared, engine: Engine | None = None) -> Iterator[ProbeHarness]:
    """Give a harness for a run; its model is let go at the end.

    Args:
        config: The resolved configuration.
        prepared: The rows.
        engine: What builds the session; None: the engine that ``config`` names.
    """
    config = config.model_copy(deep=True)
    config.run.trackers = []
    with tempfile.TemporaryDirectory() as folder, quiet():
        session = (engine or engine_of(config)).build(config, prepared, Run(Path(folder)))
        if session.settings.activation_checkpointing:
            session.set_activation_checkpointing(True)  # as a run does when it begins: probes need the same memory
        harness = ProbeHarness(session, config, prepared, [])
        # Where an epoch has fewer, none is taken twice.
        harness.batches = harness.first_batches(min(BATCHES, len(session.train_batches())))
        yield harness
