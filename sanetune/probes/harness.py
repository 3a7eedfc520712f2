"""The real model and the real batches, for a few forward and backward passes that leave everything as it was.

A lab holds the very trainer that a run would build. What a probe changes (trained weights, gradients, random states,
training mode) is put back from a copy of the trained weights alone, which lies in main memory.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from sanetune.engine.adapters import Frozen
from sanetune.engine.library_logs import quiet
from sanetune.engine.loss import MASKED, kept_logits
from sanetune.engine.trl.engine import build, device_of
from sanetune.runs import Run

Batch = dict[str, Tensor]

BATCHES = 4
"""Micro-batches of the first epoch that probes look at."""


@dataclass(slots=True)
class ProbeHarness:
    """``batches``: the first micro-batches of training, on the model's device, in the order of the first epoch."""

    trainer: Any
    frozen: Frozen
    config: Any
    prepared: Any
    batches: list[Batch]
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> Any:
        """The model as it trains: with its adapter and frozen parts."""
        return self.trainer.model

    @property
    def device(self) -> torch.device:
        where: torch.device = next(self.model.parameters()).device
        return where

    def trained(self) -> dict[str, Tensor]:
        """The weights that training changes, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    @contextlib.contextmanager
    def untouched(self, *, training: bool = False) -> Iterator[WeightBackup]:
        """Whatever happens within, weights, gradients, random states and modes are afterwards what they were, bit for
        bit. Gives the trained weights as they were before. ``training``: dropout is on within; otherwise off."""
        import numpy as np

        kept = WeightBackup(self.trained())
        buffers = {name: value.detach().clone() for name, value in self.model.named_buffers()}
        states = random.getstate(), np.random.get_state(), torch.get_rng_state()
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.train(training)
        try:
            yield kept
        finally:
            with torch.no_grad():
                kept.put_back(self.trained())
                for name, value in self.model.named_buffers():
                    value.copy_(buffers[name])
            for module, mode in modes:
                module.training = mode
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])
            if cuda:
                torch.cuda.set_rng_state_all(cuda)
                torch.cuda.empty_cache()

    def token_losses(self, batch: Batch) -> Tensor:
        """Cross entropy of every token (B, T), in nats; 0 where it is masked. The first column is always 0."""
        # TRL's fused head gives no logits unless it is asked not to be used.
        with self.trainer.compute_loss_context_manager():
            logits, labels, places = kept_logits(self.model, batch)
        losses = torch.zeros(batch["labels"].shape, device=logits.device)
        for row in range(len(labels)):  # row by row: the float32 copy of all logits would be the largest tensor
            target = labels[row, 1:].to(logits.device)
            losses[row, places[1:]] = torch.nn.functional.cross_entropy(
                logits[row, :-1].float(), target, ignore_index=MASKED, reduction="none"
            )
        return losses

    def loss(self, batches: Sequence[Batch] | None = None) -> float:
        """The loss per learnt token over ``batches`` (open: the lab's own)."""
        total, count = 0.0, 0
        with torch.no_grad():
            for batch in self.batches if batches is None else batches:
                total += float(self.token_losses(batch).double().sum())
                count += learnt(batch)
        return total / max(1, count)

    def gradients(self, batches: Sequence[Batch] | None = None) -> float:
        """Adds the gradient of one step over ``batches``, as the engine itself takes it, to the weights; returns the
        loss. Dropout is off, so that it can be repeated; the memory is that of training (checkpointing is on where the
        run has it)."""
        some = self.batches if batches is None else list(batches)
        items = torch.tensor(sum(learnt(batch) for batch in some), device=self.device)
        model, trainer = self.model, self.trainer
        modes = [(module, module.training) for module in model.modules()]
        trainer.current_gradient_accumulation_steps = len(some)
        # Each process has the same batches here, so that the sum over them must not be scaled for several.
        alone = mock.patch.object(trainer.args, "average_tokens_across_devices", False)
        with without_dropout(model), alone, _backward_where_it_leads(trainer.accelerator):
            steps = (trainer.training_step(model, dict(batch), num_items_in_batch=items) for batch in some)
            loss = sum(float(one.detach()) for one in steps)
        for module, mode in modes:
            module.training = mode
        if (scaler := getattr(trainer.accelerator, "scaler", None)) is not None:
            for weight in self.trained().values():
                if weight.grad is not None:
                    weight.grad.div_(scaler.get_scale())
        return loss

    def evaluate(self, batch: Batch) -> None:
        """One batch as the engine's own validation takes it."""
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        self.trainer._loss_sums(self.model, batch)
        for module, mode in modes:
            module.training = mode

    def clip(self) -> None:
        """Clips the gradients as the run does."""
        limit = self.trainer.args.max_grad_norm
        if limit and limit > 0:
            torch.nn.utils.clip_grad_norm_(self.trained().values(), limit)

    @contextlib.contextmanager
    def optimizer(self) -> Iterator[torch.optim.Optimizer]:
        """The optimizer of the run, fresh, at its planned peak rate; gone afterwards."""
        try:
            yield self.trainer.create_optimizer()
        finally:
            self.trainer.optimizer = None


def _micro_batches(trainer: Any) -> int:
    """Of one epoch where it has fewer than :data:`BATCHES`: none is taken twice."""
    return min(BATCHES, len(trainer.get_train_dataloader()))


class WeightBackup:
    """A copy of weights outside the device: in main memory, or in a file where they would take more than half of what
    is free there."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        import psutil

        size = sum(weight.numel() * weight.element_size() for weight in weights.values())
        self._folder = tempfile.TemporaryDirectory() if size > psutil.virtual_memory().available / 2 else None
        if self._folder is None:
            self._copies = {name: weight.detach().to("cpu", copy=True) for name, weight in weights.items()}
            return
        from safetensors.torch import save_file

        self._files = {name: f"{self._folder.name}/{number}.safetensors" for number, name in enumerate(weights)}
        for name, weight in weights.items():  # one by one: together they would need the memory again
            save_file({"weight": weight.detach().cpu().contiguous()}, self._files[name])

    def __getitem__(self, name: str) -> Tensor:
        """The weight as it was, in main memory."""
        if self._folder is None:
            return self._copies[name]
        from safetensors.torch import load_file

        found: Tensor = load_file(self._files[name])["weight"]
        return found

    def put_back(self, weights: dict[str, Tensor]) -> None:
        """Gives ``weights`` (those that it was made of) their values again, and takes their gradients away."""
        for name, weight in weights.items():
            weight.copy_(self[name])
            weight.grad = None


@contextlib.contextmanager
def _backward_where_it_leads(accelerator: Any) -> Iterator[None]:
    """A loss that hangs on no trained weight has no backward pass, which torch calls an error: here it leaves all
    gradients None, for checks to see."""
    whole = accelerator.backward

    def backward(loss: Tensor, **keywords: Any) -> None:
        if loss.requires_grad:
            whole(loss, **keywords)

    with mock.patch.object(accelerator, "backward", backward):
        yield


@contextlib.contextmanager
def without_dropout(model: Any) -> Iterator[None]:
    """Training mode in all but dropout: what models do in training only (checkpointing) they do."""
    changed = []
    for module in model.modules():
        names = [name for name, value in vars(module).items() if "drop" in name and isinstance(value, float)]
        names += ["p"] if isinstance(module, torch.nn.modules.dropout._DropoutNd) else []
        for name in names:
            changed.append((module, name, getattr(module, name)))
            setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, value in changed:
            setattr(module, name, value)


def learnt(batch: Batch) -> int:
    """Learnt tokens of a batch: those that the loss is a mean over."""
    return int((batch["labels"][:, 1:] != MASKED).sum())


@contextlib.contextmanager
def probe_harness(config: Any, prepared: Any) -> Iterator[ProbeHarness]:
    """A lab for the settled ``config``; its model is let go at the end."""
    config = config.model_copy(deep=True)
    config.run.trackers = []
    with tempfile.TemporaryDirectory() as folder, quiet():
        built = build(config, prepared, Run(Path(folder)), device_of(config))
        _checkpoint_as_training_does(built.trainer)
        harness = ProbeHarness(built.trainer, built.frozen, config, prepared, [], built.notes)
        harness.batches = first_batches(built.trainer, harness.device, _micro_batches(built.trainer))
        yield harness


def _checkpoint_as_training_does(trainer: Any) -> None:
    """``Trainer.train`` switches activation checkpointing on when it begins; probes run in the same memory."""
    given = trainer.args
    if not given.activation_checkpointing or not hasattr(trainer.model, "activation_checkpointing_enable"):
        return
    keywords = dict(given.activation_checkpointing_kwargs or {})
    layers, offload = keywords.pop("every_n_layers", 1), keywords.pop("offload", False)
    trainer.model.activation_checkpointing_enable(
        activation_checkpointing_kwargs=keywords or None, every_n_layers=layers, offload=offload
    )


def worst_batch(harness: ProbeHarness, rows: Any, size: int) -> Batch:
    """A batch of the ``size`` longest of ``rows``: none that the run will meet is larger."""
    import pyarrow.compute as pc

    lengths = pc.list_value_length(rows.with_format("arrow")[:]["input_ids"]).to_pylist()
    longest = sorted(range(len(lengths)), key=lambda number: -lengths[number])[:size]
    batch = harness.trainer.data_collator([rows[number] for number in longest])
    return {name: value.to(harness.device) for name, value in batch.items()}


def first_batches(trainer: Any, device: torch.device, count: int) -> list[Batch]:
    """The first ``count`` micro-batches of training (from the start again, where an epoch has fewer). All processes get
    those of the first one, so that they do the same and none waits for another."""
    batches: list[Batch] = []
    with torch.random.fork_rng():
        while len(batches) < count:
            before = len(batches)
            for batch in trainer.get_train_dataloader():
                batches.append({name: value for name, value in batch.items() if hasattr(value, "to")})
                if len(batches) == count:
                    break
            if len(batches) == before:
                break
    if trainer.accelerator.num_processes > 1:
        from accelerate.utils import broadcast_object_list

        broadcast_object_list(batches)
    return [{name: value.to(device) for name, value in batch.items()} for batch in batches]
