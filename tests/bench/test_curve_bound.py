"""The best possible test of an injected fault has the power that theory gives for normal noise."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from bench.curves.bound import FALSE_ALARMS, KINDS, Pair, power
from bench.curves.judging import chance_of
from bench.curves.real_noise import Base, Donor

NORMAL = NormalDist()


def donor(noise: float) -> Donor:
    """A log whose residuals are those of a normal distribution."""
    residuals = noise * np.array([NORMAL.inv_cdf((i + 0.5) / 400) for i in range(400)])
    ones = np.ones(60)
    return Donor("normal", np.linspace(3.0, 1.0, 60), residuals, ones, ones, 10)


@pytest.mark.parametrize("records", [10, 40, 160])
def test_the_power_for_a_constant_shift_of_normal_noise_is_that_of_the_gauss_test(records: int) -> None:
    shift, noise = 0.05, 0.2
    level, same = np.full(records, 2.0), donor(noise)
    one = Base(level, np.zeros(records), level, level, 10, same, 1.0)
    found = power(Pair(one, one.curve(), level * math.exp(-shift)))
    theory = 1 - NORMAL.cdf(NORMAL.inv_cdf(1 - FALSE_ALARMS) - shift / noise * math.sqrt(records))
    assert found == pytest.approx(theory, abs=0.02)


@pytest.mark.parametrize(("check", "kind", "make"), KINDS, ids=[check for check, _, _ in KINDS])
def test_less_noise_lets_more_be_named(check: str, kind: str, make) -> None:  # type: ignore[no-untyped-def]
    far, near = (np.mean([power(make(chance_of(kind, i), (donor(s),))) for i in range(5)]) for s in (0.4, 0.02))
    assert near > 0.9 and near >= far


def test_a_twin_of_stairs_has_the_mean_of_each_epoch() -> None:
    pair = KINDS[1][2](chance_of("stairs", 3), (donor(0.05),))
    each = next(i for i, level in enumerate(pair.record.level) if level < pair.record.level[0])
    true, twin = (np.log(one).reshape(-1, each).mean(axis=1) for one in (pair.record.level, pair.twin))
    assert twin == pytest.approx(true)
