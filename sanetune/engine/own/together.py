"""Lets a stand-in make by itself the steps that several processes make together.

Each process of DDP takes the gradient of its own micro-batches, and the mean of all is what the optimizer gets. One
process makes the same sum from the micro-batches of all, one after the other, as long as each is treated as that of
one of several: losses are scaled by their number, and a loss of the user's own may ask for figures of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from transformers import Trainer


def processes_of_a_step(trainer: Trainer, processes: int) -> int:
    """How many micro-batches of the loader are taken at the same time: 1 where processes share one of them."""
    split = getattr(getattr(trainer.args, "accelerator_config", None), "split_batches", False)
    return 1 if split else processes


def take_alone(double: Trainer) -> None:
    """Let ``double`` train the model itself, and not the shell in which processes exchange its gradients."""
    if isinstance(double.model_wrapped, DistributedDataParallel):
        double.model_wrapped = double.model


@contextmanager
def together(double: Trainer, processes: int) -> Iterator[None]:
    """While it lasts, ``double`` makes each step of the micro-batches that ``processes`` have in it.

    Inside ``training_step`` it is one of so many, of which the others have the same figures as itself.
    """
    if processes == 1:
        yield
        return
    args, accumulated = double.args, int(double.args.gradient_accumulation_steps)
    step: Callable[..., Tensor] = double.training_step

    def training_step(
        model: object, inputs: object, num_items_in_batch: Tensor | int | None = None, **more: object
    ) -> Tensor:
        items: Tensor | float | None = num_items_in_batch
        taken = double.current_gradient_accumulation_steps
        if items is not None and not args.average_tokens_across_devices:
            items = items / processes  # those of this process, which is what it divides by
        args.gradient_accumulation_steps, double.current_gradient_accumulation_steps = accumulated, taken / processes
        try:
            with _one_of(double, processes), _mean_of(double, processes):
                return step(model, inputs, items, **more)
        finally:
            args.gradient_accumulation_steps = accumulated * processes
            double.current_gradient_accumulation_steps = taken

    with _instead(double, "training_step", training_step):
        args.gradient_accumulation_steps = accumulated * processes
        try:
            yield
        finally:
            args.gradient_accumulation_steps = accumulated


@contextmanager
def _mean_of(double: Trainer, processes: int) -> Iterator[None]:
    """Losses are the share that a process has in the mean of all."""
    own: Callable[..., Tensor | tuple[Tensor, object]] = double.compute_loss

    def compute_loss(*args: object, **keywords: object) -> Tensor | tuple[Tensor, object]:
        found = own(*args, **keywords)
        return (found[0] / processes, found[1]) if isinstance(found, tuple) else found / processes

    with _instead(double, "compute_loss", compute_loss):
        yield


@contextmanager
def _one_of(double: Trainer, processes: int) -> Iterator[None]:
    """Who asks how many processes there are is told; what is gathered of them is that of this one, so many times."""
    from accelerate.state import AcceleratorState, PartialState

    def gather(given: object, *_: object, **__: object) -> object:
        return _each(given, lambda one: torch.cat([one.reshape(1) if one.dim() == 0 else one] * processes))

    def reduce(given: object, reduction: str = "sum", scale: float = 1.0, **_: object) -> object:
        times = scale * (processes if reduction == "sum" else 1)
        return _each(given, lambda one: one * times)

    states = [one._shared_state for one in (PartialState, AcceleratorState) if one._shared_state]
    accelerator = double.accelerator
    for state in states:
        state["num_processes"] = processes
    try:
        with (
            _instead(accelerator, "gather", gather),
            _instead(accelerator, "gather_for_metrics", gather),
            _instead(accelerator, "reduce", reduce),
        ):
            yield
    finally:
        for state in states:
            state["num_processes"] = 1


def _each(given: object, change: Callable[[Tensor], Tensor]) -> object:
    """What ``change`` makes of each tensor in ``given``."""
    if isinstance(given, Tensor):
        return change(given)
    if isinstance(given, dict):
        return {name: _each(one, change) for name, one in given.items()}
    if isinstance(given, list | tuple):
        return type(given)(_each(one, change) for one in given)
    return given


@contextmanager
def _instead(thing: object, name: str, method: object) -> Iterator[None]:
    """Give ``thing`` another method for a while."""
    before = vars(thing).get(name)
    setattr(thing, name, method)
    try:
        yield
    finally:
        if before is None:
            delattr(thing, name)
        else:
            setattr(thing, name, before)
