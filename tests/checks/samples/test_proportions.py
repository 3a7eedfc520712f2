"""Bounds of shares, and what became rarer."""

from __future__ import annotations

import pytest

from sanetune.checks.samples._proportions import bounds, rarer


def test_bounds_are_wilson_s() -> None:
    assert bounds(0, 0) == (0.0, 1.0)
    assert bounds(5, 10, z=1.96) == pytest.approx((0.2366, 0.7634), abs=1e-4)  # the textbook's example
    assert bounds(0, 20)[0] == 0.0 and bounds(20, 20)[1] == 1.0
    assert bounds(13, 20)[0] < 0.5 < bounds(14, 20)[0]
    assert 0.5 < bounds(4, 4)[0] < 0.6


def test_rarer_needs_more_than_chance() -> None:
    worse, better, same = (True, False), (False, True), (True, True)
    assert rarer([worse] * 5) and not rarer([worse] * 4)
    assert not rarer([worse] * 5 + [better] * 2)
    assert rarer([worse] * 8 + [better])
    assert not rarer([same] * 20) and not rarer([])
