"""Faults in the noise of healthy real logs: each kind is named, and the same logs without a fault raise no alarm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.curves.injected import INJECTED
from bench.curves.injected_settings import CLEAN, SETTINGS
from bench.curves.real_noise import donors, half
from tests.checks.curve_material import bad

SEEDS = 5


@pytest.mark.parametrize("kind", CLEAN)
def test_healthy_records_raise_no_alarm(shared: Path, kind: str) -> None:
    some = donors(shared, "A")
    alarms = [seed for seed in range(SEEDS) if bad(CLEAN[kind](np.random.default_rng(seed), some))]
    assert len(alarms) == 0


@pytest.mark.parametrize(
    ("checks", "kind", "make"), [*INJECTED, *SETTINGS], ids=[kind for _, kind, _ in [*INJECTED, *SETTINGS]]
)
def test_injected_faults_are_named(shared: Path, checks: tuple[str, ...], kind: str, make) -> None:  # type: ignore[no-untyped-def]
    some = donors(shared, "A")
    found = [set(bad(make(np.random.default_rng(seed), some))) for seed in range(SEEDS)]
    missed = [seed for seed, names in enumerate(found) if not names & {check[6:] for check in checks}]
    # Sizes are drawn down to where a careful judge is unsure.
    assert len(missed) <= 1


def test_a_repository_is_on_one_side_only() -> None:
    assert half("huloujun/GreenBuilding-QA-LLM") == "A"
    assert half("ljh696/MetaMath") == "B"
