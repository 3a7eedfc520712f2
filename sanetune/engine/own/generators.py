"""Random generators that somebody's own code holds: in a collator's closure, a data set, a module."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FunctionType, ModuleType

import numpy as np
import torch

from sanetune import collector

_TRACKED = (random.Random, np.random.Generator, np.random.RandomState)
_CODE = (FunctionType, type, ModuleType)


@contextmanager
def kept_generators() -> Iterator[None]:
    """Put the states of all generators of Python, NumPy and torch that the process holds back at the end."""
    restorers = [restore for one in _generators() if (restore := _kept(one)) is not None]
    try:
        yield
    finally:
        for restore in restorers:
            restore()


def _generators() -> Iterator[object]:
    seen: set[int] = set()
    collector.thaw()
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, _TRACKED):
            yield thing
        # torch's are not known to the collector, but who holds them is: functions, instances, containers.
        elif kind not in _CODE:
            for part in gc.get_referents(thing):
                if type(part) is torch.Generator and id(part) not in seen:
                    seen.add(id(part))
                    yield part


def _set(generator: torch.Generator, state: torch.Tensor) -> None:
    generator.set_state(state)


def _kept(generator: object) -> Callable[[], None] | None:
    if isinstance(generator, random.Random) and not isinstance(generator, random.SystemRandom):
        state = generator.getstate()
        return lambda: generator.setstate(state)
    if isinstance(generator, np.random.Generator):
        bits, numbers = generator.bit_generator, generator.bit_generator.state

        def restore() -> None:
            bits.state = numbers

        return restore
    if isinstance(generator, np.random.RandomState):
        kept = generator.get_state()
        return lambda: generator.set_state(kept)
    if isinstance(generator, torch.Generator):
        return partial(_set, generator, generator.get_state())
    return None
