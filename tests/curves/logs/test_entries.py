"""Which values of log entries count as numbers: those of Python, torch and numpy, and no text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from sanetune.curves.logs.entries import evaluation, number, training_point, whole_number


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


@pytest.mark.parametrize(
    ("losses", "tokens", "known"),
    [
        ([20.0, 30.5], [10, 12], True),
        ([20.0, "NaN"], [10, 12], False),
        ([20.0, 30.5], [10], False),
        ([20.0], [-1], False),
        ("20", "10", False),
        (20.0, [10], False),
        ([[20.0]], [10], False),
        (None, [10], False),
    ],
)
def test_groups_of_rows_are_read_whole_or_not_at_all(losses: Any, tokens: Any, known: bool) -> None:
    found = evaluation({"step": 5, "eval_loss": 2.5, "group_losses": losses, "group_tokens": tokens})
    assert found is not None and found.loss == 2.5
    assert (found.sums, found.tokens) == (((20.0, 30.5), (10, 12)) if known else ((), ()))
