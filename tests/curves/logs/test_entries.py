"""Which values of log entries count as numbers: those of Python, torch and numpy, and no text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from sanetune.curves.logs.entries import number, training_point, whole_number


@pytest.mark.parametrize("value", [3, 3.0, np.float32(3), torch.tensor(3.0), torch.tensor([3.0])])
def test_numbers_of_any_library_are_numbers(value: Any) -> None:
    assert number(value) == 3.0


@pytest.mark.parametrize("value", ["3", True, None, [3], {}, torch.tensor([1.0, 2.0]), np.array([1.0, 2.0])])
def test_what_is_no_single_number_is_none(value: Any) -> None:
    assert number(value) is None
    assert training_point({"step": 1, "loss": value}) is None


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "1"])
def test_what_is_no_number_of_steps_is_none(value: Any) -> None:
    assert whole_number(value) is None
