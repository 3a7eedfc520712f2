"""Put back, bit for bit, what a trainer shares with its stand-ins, or raise."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from typing import TypeAlias

import torch
from torch import Tensor, nn
from transformers import Trainer

from sanetune.engine.models import leave_packing_off
from sanetune.engine.own.generators import kept_generators
from sanetune.engine.own.optimizers import weights_of
from sanetune.rng import kept_random_states

Container: TypeAlias = dict[object, object] | list[object] | set[object]

_CONFIGS = ("config", "generation_config")


class NotRestoredError(RuntimeError):
    """A check has left something of the trainer's other than it was."""


@contextmanager
def kept(trainer: Trainer) -> Iterator[None]:
    """Put model, random states and what accelerate shares back at the end, whatever happens inside.

    Weights that training may move are kept outside of the device; the others are compared.

    Raises:
        NotRestoredError: Tensors differ from what they were; the message names them.
    """
    tensors = _tensors(trainer)
    before = {name: _digest(tensor) for name, tensor in tensors.items()}
    copies = {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items() if _may_move(tensor)}
    flags = [(tensor, tensor.requires_grad, tensor.grad) for tensor in tensors.values() if tensor.is_leaf]
    for tensor, _, gradient in flags:
        if gradient is not None:
            tensor.grad = None
    try:
        with ExitStack() as stack:
            for part in (kept_random_states(load=True), kept_generators(), kept_modules(trainer.model), _kept_shared()):
                stack.enter_context(part)
            leave_packing_off(trainer.model)
            yield
    finally:
        with torch.no_grad():
            for name, value in copies.items():
                tensors[name].copy_(value)
        for tensor, trained, gradient in flags:
            tensor.requires_grad_(trained)
            tensor.grad = gradient
    changed = [name for name, tensor in tensors.items() if _digest(tensor) != before[name]]
    changed += sorted(set(_tensors(trainer)) ^ set(tensors))
    if changed:
        raise NotRestoredError(
            f"the check could not put {len(changed)} tensors of the model back: {', '.join(changed[:5])}. "
            "Build the trainer anew before it trains, and please report this."
        )


@contextmanager
def kept_forward(model: nn.Module) -> Iterator[None]:
    """Put back what reading rows and forward passes may change while a run goes on: random states and generators,
    modes, hooks and flags of modules, and buffers. Weights are not copied: only an optimizer moves them."""
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    with kept_random_states(load=True), kept_generators(), kept_modules(model):
        leave_packing_off(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    if not torch.equal(buffer, before):
                        buffer.copy_(before)


def _tensors(trainer: Trainer) -> dict[str, Tensor]:
    """The weights and buffers of the model, and what else the user's optimizer moves."""
    model = trainer.model
    found: dict[str, Tensor] = dict(model.named_parameters()) | dict(model.named_buffers())
    if (given := getattr(trainer, "optimizer", None)) is not None:
        known = {id(tensor) for tensor in found.values()}
        others = [weight for weight in weights_of(getattr(given, "optimizer", given)) if id(weight) not in known]
        found |= {f"weight {number} of the optimizer": weight for number, weight in enumerate(others)}
    return {name: tensor for name, tensor in found.items() if tensor.device.type != "meta"}


def _may_move(tensor: Tensor) -> bool:
    return tensor.requires_grad or not isinstance(tensor, nn.Parameter)


def _digest(tensor: Tensor) -> bytes:
    flat = tensor.detach().reshape(-1).contiguous().cpu()
    return blake2b(flat.view(torch.uint8).numpy().data, digest_size=16).digest() + str(tensor.dtype).encode()


@contextmanager
def kept_modules(model: nn.Module) -> Iterator[None]:
    """Put back what libraries change on modules besides weights: hooks, wrapped methods, flags, modes, configurations.

    accelerate wraps ``forward`` for mixed precision, activation checkpointing sets flags and functions, NEFTune and
    peft add hooks; transformers aligns the special tokens of the configurations with the tokenizer.
    """
    states = [_kept_attributes(module) for module in model.modules()]
    configs = [
        _kept_attributes(found, deep=True)
        for module in model.modules()
        for name in _CONFIGS
        if (found := getattr(module, name, None)) is not None and hasattr(found, "__dict__")
    ]
    try:
        yield
    finally:
        for restore in (*states, *configs):
            restore()


def _kept_attributes(thing: object, *, deep: bool = False) -> Callable[[], None]:
    """Returns what puts the attributes of ``thing`` back, and the contents of its containers, which stay the same."""
    before = dict(vars(thing))
    contents = [
        (value, copy.deepcopy(value) if deep else copy.copy(value))
        for value in before.values()
        if isinstance(value, dict | list | set)
    ]

    def restore() -> None:
        for container, content in contents:
            if deep or not _holds_the_same(container, content):
                container.clear()
                container.extend(content) if isinstance(container, list) else container.update(content)
        attributes = vars(thing)
        attributes.clear()
        attributes.update(before)

    return restore


def _holds_the_same(container: Container, content: Container) -> bool:
    """Whether both hold the very same things in the same order: tensors have no other comparison."""
    if len(container) != len(content):
        return False
    if isinstance(container, dict) and isinstance(content, dict):
        return list(container) == list(content) and all(container[key] is content[key] for key in content)
    return all(one is other for one, other in zip(container, content, strict=True))


@contextmanager
def _kept_shared() -> Iterator[None]:
    """What all accelerators of the process share about accumulation and loaders, and the environment."""
    from accelerate.state import GradientState

    state = GradientState()
    before = {
        name: copy.copy(value) if isinstance(value, list | dict) else value for name, value in vars(state).items()
    }
    environment = dict(os.environ)
    try:
        yield
    finally:
        vars(state).clear()
        vars(state).update(before)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
