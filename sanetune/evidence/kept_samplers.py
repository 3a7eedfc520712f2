"""Puts back what reading moves in samplers of the user's own, and what a trainer notes of its loaders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Trainer


@contextmanager
def kept_attributes(trainer: Trainer) -> Iterator[None]:
    """Take from ``trainer`` what it gets while a loader is made: a sampler that it keeps would be half read."""
    before = dict(vars(trainer))
    try:
        yield
    finally:
        _put_back(trainer, before)


@contextmanager
def kept_samplers(samplers: Sequence[object]) -> Iterator[None]:
    """Put counters, orders and random generators of samplers back at the end."""
    from sanetune.engine.own.generators import kept_generators

    kept = [(one, dict(vars(one))) for one in samplers if hasattr(one, "__dict__")]
    orders = [(value, list(value)) for _, values in kept for value in values.values() if isinstance(value, list)]
    with kept_generators() if samplers else nullcontext():
        try:
            yield
        finally:
            for sampler, before in kept:
                _put_back(sampler, before)
            for shuffled, order in orders:
                shuffled[:] = order


def _put_back(owner: object, before: dict[str, object]) -> None:
    now = vars(owner)
    for name in now.keys() - before.keys():
        del now[name]
    now.update(before)
