"""Looks for the fastest settings of a step, one after the other, without trying all of their combinations.

Which is fastest is for somebody else to say: the search gets the speed of settings from a function.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from sanetune.planning.step_settings import SIZE, StepSettings

GAIN = 1.05
"""Settings are preferred that are so many times as fast: less is within what a busy machine does to a step."""

Speed = Callable[[StepSettings], float | None]
"""Settings -> useful tokens per second; None: they do not fit, or cannot be."""
OtherPacking = Callable[[StepSettings], StepSettings | None]
"""Settings -> those with packs in place of rows, or the other way round, for steps of as many tokens; None: none."""


def fastest(
    present: StepSettings, speed: Speed, other_packing: OtherPacking, fixed: Collection[str] = ()
) -> StepSettings | None:
    """Return the fastest settings that are found, ``present`` where none is faster by :data:`GAIN`; None: none fits.

    Precision comes first, then packs or rows, then checkpointing with the size of a micro-batch, since each of these
    decides what the next ones are worth.

    Args:
        present: Those of the configuration.
        speed: Called once or more with each.
        other_packing: Gives the same step in packs, or in rows.
        fixed: ``section.key`` of what stays as it is.
    """
    best = present if speed(present) is not None else _that_fits(present, speed, fixed)
    if best is None:
        return None
    if "train.bf16" not in fixed:
        best = _better(best, replace(best, bf16=not best.bf16), speed)
    if "train.packing" not in fixed and not SIZE & set(fixed):
        other = other_packing(best)
        best = best if other is None else _better(best, other, speed)
    return _divided(best, speed, fixed)


def _that_fits(present: StepSettings, speed: Speed, fixed: Collection[str]) -> StepSettings | None:
    """The largest micro-batch for which the memory suffices, without checkpointing if that can be."""
    sizes = [] if SIZE & set(fixed) else [size for size in present.sizes() if size < present.per_device]
    for per_device in [present.per_device, *reversed(sizes)]:
        for checkpointing in _checkpointing(present, fixed):
            settings = replace(present.divided(per_device), checkpointing=checkpointing)
            if speed(settings) is not None:
                return settings
    return None


def _divided(best: StepSettings, speed: Speed, fixed: Collection[str]) -> StepSettings:
    """``best`` with or without checkpointing, in smaller or larger micro-batches."""
    for checkpointing in _checkpointing(best, fixed):
        first = replace(best, checkpointing=checkpointing)
        settings = first if SIZE & set(fixed) else _climb(first, speed)
        best = _better(best, settings, speed)
    return best


def _climb(first: StepSettings, speed: Speed) -> StepSettings:
    """``first`` in the micro-batches from which on a larger one is no faster; in smaller ones where it does not fit."""
    best, sizes = first, first.sizes()
    at = sizes.index(first.per_device)
    for per_device in sizes[at + 1 :]:
        larger = first.divided(per_device)
        if speed(first) is None or _better(best, larger, speed) is best:
            break
        best = larger
    if best is not first:
        return best
    for per_device in reversed(sizes[:at]):
        smaller = first.divided(per_device)
        if speed(best) is not None and _better(best, smaller, speed) is best:
            break
        best = smaller
    return best


def _checkpointing(settings: StepSettings, fixed: Collection[str]) -> list[bool]:
    kept = settings.checkpointing
    return [kept] if "train.activation_checkpointing" in fixed else [kept, not kept]


def _better(best: StepSettings, other: StepSettings, speed: Speed) -> StepSettings:
    """``other`` where it is faster than ``best`` by :data:`GAIN`, else ``best``."""
    now, then = speed(best), speed(other)
    if then is None:
        return best
    return other if now is None or then >= GAIN * now else best
