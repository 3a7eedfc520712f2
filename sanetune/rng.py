"""Random states and module modes, kept while something is tried and put back exactly."""

from __future__ import annotations

import contextlib
import importlib
import random
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def kept_random_states(*, load: bool = False) -> Iterator[None]:
    """Put the random states of Python, NumPy and torch (CPU and all CUDA devices) back at the end, whatever happens.

    Args:
        load: Import NumPy and torch where they are not loaded yet, because what runs inside will. Otherwise a library
            that is not loaded has no state to keep, and is not imported for it.

    Example:
        >>> with kept_random_states():
        ...     inside = random.random()
        >>> random.random() == inside
        True
    """
    restorers = [_keep_python(), *_keep_numpy(load), *_keep_torch(load)]
    try:
        yield
    finally:
        for restore in restorers:
            restore()


def _keep_python() -> Callable[[], None]:
    state = random.getstate()
    return lambda: random.setstate(state)


def _keep_numpy(load: bool) -> Iterator[Callable[[], None]]:
    if np := _module("numpy", load):
        state = np.random.get_state()
        yield lambda: np.random.set_state(state)


def _keep_torch(load: bool) -> Iterator[Callable[[], None]]:
    if torch := _module("torch", load):
        state = torch.get_rng_state()
        yield lambda: torch.set_rng_state(state)
        if torch.cuda.is_available():
            states = torch.cuda.get_rng_state_all()
            yield lambda: torch.cuda.set_rng_state_all(states)


def _module(name: str, load: bool) -> ModuleType | None:
    return importlib.import_module(name) if load else sys.modules.get(name)


@contextlib.contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """Put every module of ``model`` back into its own mode (training or evaluation) at the end, whatever happens.

    ``model.train(was_training)`` would give all of them the mode of the outermost.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
