"""Settings of a step: the effective batch stays, and the search finds what is fastest without trying everything."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from sanetune.planning.step_search import GAIN, fastest
from sanetune.planning.step_settings import SIZE, TOLERANCE, StepSettings, equal_examples

PRESENT = StepSettings(2, 8, checkpointing=True)


def no_packs(settings: StepSettings) -> None:
    """Nothing in place of the rows."""


def by_rule(limit: float = 1e9) -> Callable[[StepSettings], float | None]:
    """Speeds of a machine on which a micro-batch costs a start, and memory for ``limit`` units."""

    def speed(one: StepSettings) -> float | None:
        memory = one.per_device * (1 if one.checkpointing else 4) / (2 if one.bf16 else 1)
        seconds = one.accumulation * (0.5 + one.per_device * (1.3 if one.checkpointing else 1)) / (2 if one.bf16 else 1)
        return None if memory > limit else one.examples / seconds

    return speed


@pytest.mark.parametrize("limit", [0.5, 1, 2, 4, 8, 16, 1e9])
def test_the_fastest_of_all_that_fit_is_found(limit: float) -> None:
    speed = by_rule(limit)
    found = fastest(PRESENT, speed, no_packs)
    every = [
        StepSettings(size, 16 // size, checkpointing, bf16=bf16)
        for size, checkpointing, bf16 in itertools.product((1, 2, 4, 8, 16), (True, False), (True, False))
    ]
    if speed(PRESENT) is None:  # bf16 is compared with float32, which has to fit then
        assert (found is not None) == any(speed(one) is not None for one in every if not one.bf16)
        return
    best = max(value for one in every if (value := speed(one)) is not None)
    assert found is not None and speed(found) == pytest.approx(best, rel=2 * (GAIN - 1))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_speeds_the_effective_batch_stays_and_nothing_gets_slower(seed: int) -> None:
    draw, known = random.Random(seed), {}

    def speed(one: StepSettings) -> float | None:
        assert one.examples == PRESENT.examples
        return known.setdefault(one, draw.choice([None, draw.random() + 0.5]) if one != PRESENT else 1.0)

    found = fastest(PRESENT, speed, no_packs)
    assert found == PRESENT or known[found] >= GAIN * known[PRESENT]
    assert len(known) <= 14


def test_less_than_the_least_gain_changes_nothing() -> None:
    assert fastest(PRESENT, lambda one: 1.0 if one == PRESENT else GAIN - 0.001, no_packs) == PRESENT


@pytest.mark.parametrize("key", sorted(set(PRESENT.values()) - {"train.packing"}))
def test_what_was_given_on_the_command_line_stays(key: str) -> None:
    tried: list[StepSettings] = []

    def speed(one: StepSettings) -> float | None:
        tried.append(one)
        return by_rule(4)(one)

    found = fastest(PRESENT, speed, no_packs, {key})
    assert found is not None and found != PRESENT
    keys = SIZE if key in SIZE else {key}
    assert all(one.values()[name] == PRESENT.values()[name] for one in tried for name in keys)


def test_packs_replace_rows_where_they_are_faster() -> None:
    packs = StepSettings(1, 4, packing=True)

    def other(one: StepSettings) -> StepSettings:
        return replace(packs, checkpointing=one.checkpointing, bf16=one.bf16)

    found = fastest(PRESENT, lambda one: 2.0 if one.packing else 1.0, other)
    assert found == other(PRESENT)
    assert fastest(PRESENT, lambda one: 2.0 if one.packing else 1.0, other, {"train.packing"}) == PRESENT


@pytest.mark.parametrize("seed", range(20))
def test_examples_of_another_length_make_a_step_of_as_many_tokens(seed: int) -> None:
    draw = random.Random(seed)
    tokens, mean = draw.uniform(100, 50_000), draw.uniform(50, 4_000)
    number = equal_examples(tokens, mean)
    possible = [count for count in range(1, 2_000) if abs(count * mean / tokens - 1) <= TOLERANCE]
    assert (number is None) == (not possible)
    assert number is None or number in possible
