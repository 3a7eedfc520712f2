"""Simulated curves: clean ones raise no alarm, however noisy or short; each fault is named by its check."""

from __future__ import annotations

import numpy as np
import pytest

from bench.curves.simulated import CLEAN
from bench.curves.simulated_faults import FAULTS, hot_lr
from tests.checks.curve_material import bad

SEEDS = 6
FOUND = [one for one in FAULTS if one[2] is not hot_lr]
"""A high learning rate under clipping shows in the curve alone only sometimes: curve-rate-beaten compares."""


FLAT = {"log with validation": {5: {"stalled": "warn"}}}
"""Kind -> seed of a curve that is flat in truth: this one falls by 0.2 % between the halves of its last three quarters,
which is 0.6 % of what it learned before."""


@pytest.mark.parametrize("kind", CLEAN)
def test_clean_curves_raise_no_alarm(kind: str) -> None:
    alarms = {seed: found for seed in range(SEEDS) if (found := bad(CLEAN[kind](np.random.default_rng(seed + 500))))}
    assert alarms == FLAT.get(kind, {})


@pytest.mark.parametrize(("check", "kind", "make"), FOUND, ids=[f"{check} {kind}" for check, kind, _ in FOUND])
def test_faults_are_named(check: str, kind: str, make) -> None:  # type: ignore[no-untyped-def]
    missed = [seed for seed in range(SEEDS) if check[6:] not in bad(make(np.random.default_rng(seed + 500)))]
    # Sizes are drawn down to where a careful judge is unsure.
    assert len(missed) <= 1
