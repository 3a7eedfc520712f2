"""Kendall's test gives what scipy's gives, without its import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import kendalltau

from sanetune.curves.kendall import rise_p_value


@pytest.mark.parametrize("count", [2, 5, 12, 33, 34, 200])
@pytest.mark.parametrize("rise", [0.0, 0.1, -0.1])
@pytest.mark.parametrize("digits", [12, 1, 0])
def test_the_p_value_is_that_of_scipy(count: int, rise: float, digits: int) -> None:
    noise = np.random.default_rng(count).normal(0, 1, count)
    values = [round(float(rise * i + one), digits) for i, one in enumerate(noise)]
    expected = kendalltau(range(count), values, alternative="greater").pvalue
    if len(set(values)) > 1:
        assert rise_p_value(values) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_values_that_are_all_the_same_do_not_rise() -> None:
    assert rise_p_value([2.0] * 50) == rise_p_value([1.0]) == rise_p_value([]) == 1.0


def test_a_steady_rise_is_told_without_scipys_statistics() -> None:
    code = "import sys; from sanetune.curves.valley import steady_rise as r; r([2, 1, *range(3, 9)]);"
    done = subprocess.run([sys.executable, "-c", f"{code} sys.exit('scipy.stats' in sys.modules)"], check=False)
    assert done.returncode == 0
