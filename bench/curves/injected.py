"""Faults of the loss injected into the noise of healthy real logs; sizes are drawn evenly from the range given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.curves.real_noise import Array, Base, Chance, Donor, base, changed, evaluated
from sanetune.curves.series import Curve

Donors = tuple[Donor, ...]
Make = Callable[[Chance, Donors], Curve]


def explosion_at_once(chance: Chance, some: Donors) -> Curve:
    """Within the first twentieth of the records the loss goes to 2 to 12 times its start, and ends at 1.6 to 6."""
    one = base(chance, some)
    onset = int(chance.integers(1, max(2, one.count // 20 + 1)))
    peak, end = chance.uniform(2, 12), chance.uniform(1.6, 6)
    return changed(one, _exploded(one, onset, max(peak, end), end, max(1.0, one.count / 20))).curve()


def explosion_late(chance: Chance, some: Donors) -> Curve:
    one = base(chance, some)
    onset = int(one.count * chance.uniform(0.2, 0.75))
    end = chance.uniform(1.6, 5)
    return changed(one, _exploded(one, onset, end, end, one.count / 30)).curve()


def _exploded(one: Base, onset: int, peak: float, end: float, scale: float) -> Array:
    after = np.arange(one.count) - onset
    high = one.level[0] * (end + (peak - end) * np.exp(-np.maximum(after, 0) / (3 * scale)))
    risen = high - (high - one.level[onset]) * np.exp(-np.maximum(after, 0) / scale * 3)
    return np.where(after < 1, one.level, risen)


def rising_evaluations(chance: Chance, some: Donors) -> Curve:
    """Three to twelve evaluations from 0 to 60 % of the run on, each above the one before, by 8 to 60 % in all."""
    one = base(chance, some)
    found = evaluated(chance, one, int(chance.integers(3, 13)), chance.uniform(0.02, 0.6))
    first, rise = min(found.values()), chance.uniform(0.08, 0.6)
    places = sorted(found)
    steps = np.linspace(0, 1, len(places))
    return one.curve(evaluations={i: float(first * (1 + rise * one)) for i, one in zip(places, steps, strict=True)})


def rising_both(chance: Chance, some: Donors) -> Curve:
    """The training loss turns at 20 to 60 % of the run and ends 15 to 100 % above its start, evaluations with it."""
    one = base(chance, some)
    onset, times = int(one.count * chance.uniform(0.2, 0.6)), chance.uniform(1.15, 2)
    rise = np.maximum(0, np.arange(one.count) - onset) / (one.count - onset)
    level = one.level + (times * one.level[0] - one.level[onset]) * rise
    risen = changed(one, level)
    places = np.unique(np.linspace(0.1 * one.count, one.count - 1, int(chance.integers(4, 13))).astype(int))
    noise = 1 + 0.004 * chance.standard_normal(len(places))
    return risen.curve(evaluations={int(i): float(1.04 * level[i] * e) for i, e in zip(places, noise, strict=True)})


def turned_in_few(chance: Chance, some: Donors) -> Curve:
    """Three to five evaluations; after the lowest they rise by 8 to 30 %."""
    one, count = base(chance, some), int(chance.integers(3, 6))
    found = evaluated(chance, one, count, chance.uniform(0.1, 0.3))
    places = sorted(found)
    low, rise = int(chance.integers(0, len(places) - 1)), chance.uniform(0.08, 0.3)
    for i in range(low + 1, len(places)):
        found[places[i]] = found[places[low]] * (1 + rise * (i - low) / (len(places) - 1 - low))
    return one.curve(evaluations=found)


def turned(chance: Chance, some: Donors) -> Curve:
    """Six to thirty evaluations; from 20 to 70 % of the run on they rise by 6 to 100 %."""
    one, count = base(chance, some), int(chance.integers(6, 31))
    found = evaluated(chance, one, count, chance.uniform(0.02, 0.2))
    places = sorted(found)
    low, rise = places[int(len(places) * chance.uniform(0.2, 0.7))], chance.uniform(0.06, 1)
    late = {i: (i - low) / (places[-1] - low) for i in places if i > low}
    found |= {i: found[i] / found[i] * found[low] * (1 + rise * share) for i, share in late.items()}
    return one.curve(epochs=5, evaluations=found)


def hump(chance: Chance, some: Donors) -> Curve:
    """2 to 40 records (at most a quarter) at 2 to 5 times the loss, and back."""
    one = base(chance, some)
    return _humped(chance, one, int(np.exp(chance.uniform(np.log(2), np.log(min(40, one.count // 4) + 1)))))


def hump_of_twelve(chance: Chance, some: Donors) -> Curve:
    one = base(chance, some, least=60)
    return _humped(chance, one, 12, 3.0)


def _humped(chance: Chance, one: Base, length: int, times: float = 0.0) -> Curve:
    begin = int(chance.integers(1, max(2, one.count - length - 3)))
    level = one.level.copy()
    # The ends of a hump are slopes, not steps.
    shape = np.minimum(1, np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)) / max(1, length / 4))
    level[begin : begin + length] *= 1 + ((times or chance.uniform(2, 5)) - 1) * shape
    return changed(one, level).curve()


def hump_in_evaluations(chance: Chance, some: Donors) -> Curve:
    """One to three of 6 to 25 evaluations at 1.3 to 3 times their neighbours."""
    one = base(chance, some)
    found = evaluated(chance, one, int(chance.integers(6, 26)), chance.uniform(0.02, 0.2))
    places = sorted(found)
    length = min(int(chance.integers(1, 4)), len(places) - 3)
    begin = int(chance.integers(1, len(places) - length - 1))
    times = chance.uniform(1.3, 3)
    return one.curve(evaluations=found | {i: found[i] * times for i in places[begin : begin + length]})


def stairs_of(epochs: tuple[int, int], drop: tuple[float, float], records: tuple[int, int]) -> Make:
    """Flat inside epochs, lower by a share after each."""

    def make(chance: Chance, some: Donors) -> Curve:
        one, each = stairs_base(chance, some, epochs, drop, records)
        return one.curve(epochs=one.count / each)

    return make


def stairs_base(
    chance: Chance, some: Donors, epochs: tuple[int, int], drop: tuple[float, float], records: tuple[int, int]
) -> tuple[Base, int]:
    """The record of stairs, and the records of an epoch."""
    count, each = int(chance.integers(epochs[0], epochs[1] + 1)), int(chance.integers(records[0], records[1] + 1))
    one = base(chance, some, least=count * each, most=count * each)
    height, falls = one.level[len(one.level) // 3], chance.uniform(*drop)
    return changed(one, height * (1 - falls) ** (np.arange(one.count) // each)), each


SHORT_STAIRS = (4, 12), (0.15, 0.3), (2, 7)
short_stairs = stairs_of(*SHORT_STAIRS)


def flat(chance: Chance, some: Donors) -> Curve:
    """150 to 600 records at one level."""
    one = base(chance, some, least=150)
    return changed(one, np.full(one.count, one.level.mean())).curve()


def still_falling(chance: Chance, some: Donors) -> Curve:
    """The last eighth falls by 18 to 40 %, at a constant learning rate."""
    one = base(chance, some, least=60)
    share = chance.uniform(0.18, 0.4)
    level = max(one.level[0], 2.0) * (1 - 8 * share / (1 + 7 * share) * np.linspace(0, 1, one.count))
    return replace(changed(one, level), lrs=np.ones(one.count)).curve()


def stalled(chance: Chance, some: Donors) -> Curve:
    """Falls in the first fifth and stays to the last digit of its noise, at a constant learning rate."""
    return stalled_base(chance, some).curve()


def stalled_base(chance: Chance, some: Donors) -> Base:
    """The record of :func:`stalled`."""
    one = base(chance, some, least=600, most=4_000)
    at = np.arange(one.count) / one.count
    level = one.level[0] * (0.6 + 0.4 * np.exp(-at / chance.uniform(0.01, 0.04)))
    return replace(changed(one, level), lrs=np.ones(one.count))


INJECTED: list[tuple[tuple[str, ...], str, Make]] = [
    (("curve-diverged",), "shoots up in its first steps, ends at 1.6 to 6 times its start", explosion_at_once),
    (("curve-diverged",), "shoots up later, ends at 1.6 to 5 times its start", explosion_late),
    (("curve-diverged", "curve-overfit"), "every evaluation above the one before, by 8 to 60 %", rising_evaluations),
    (("curve-diverged",), "training and evaluations turn, to 15 to 100 % above the start", rising_both),
    (("curve-overfit",), "3 to 5 evaluations turn by 8 to 30 %", turned_in_few),
    (("curve-overfit",), "6 to 30 evaluations turn by 6 to 100 %", turned),
    (("curve-spike",), "humps of 2 to 40 records at 2 to 5 times", hump),
    (("curve-spike",), "a hump of 12 records at 3 times", hump_of_twelve),
    (("curve-spike",), "1 to 3 evaluations at 1.3 to 3 times", hump_in_evaluations),
    (("curve-staircase",), "3 epochs, drops of 10 to 15 %", stairs_of((3, 3), (0.10, 0.15), (20, 150))),
    (("curve-staircase",), "5 epochs, drops of 8 to 12 %", stairs_of((5, 5), (0.08, 0.12), (20, 150))),
    (("curve-staircase",), "3 to 6 epochs, drops of 20 to 50 %", stairs_of((3, 6), (0.2, 0.5), (20, 150))),
    (("curve-staircase",), "4 to 12 epochs of 2 to 7 records, drops of 15 to 30 %", short_stairs),
    (("curve-plateau",), "the same level throughout", flat),
    (("curve-unfinished",), "falls by 18 to 40 % in its last eighth", still_falling),
    (("curve-stalled",), "flat after its first fifth", stalled),
]  # fmt: skip
