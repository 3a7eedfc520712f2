"""A run beyond its budget is refused with what would fit; one within it passes."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.finding import Finding, Verdict
from tests.checks.run_numbers import find, numbers
from tests.forecast import made

TRAIN = {"per_device_train_batch_size": 10, "gradient_accumulation_steps": 1}
RUN = 300 * 0.5 + 11 * 4.0 + 10 * 3.0 + 1.0
"""Seconds of the run: 300 steps, 11 evaluations, 10 checkpoints, the model."""


def found_for(
    budget: dict[str, Any], measured: Any = None, train: dict[str, Any] | None = None, **machine: Any
) -> Finding:
    settings = made.config(train=TRAIN | (train or {}), budget=budget)
    forecast = made.forecast(settings, measured, **machine)
    return find("machine-over-budget", forecast=forecast, run_settings=numbers(epochs=3.0), config=settings)


def uneven() -> Any:
    """Steps of which the slowest part takes a fifth longer."""
    measured = made.timing(0.5, 1_000, steps=53)
    measured.step_seconds[-10:] = [0.6] * 10
    return measured


def test_a_run_within_its_budget_passes_with_the_numbers() -> None:
    found = found_for({"max_hours": 1.0, "max_usd": 10.0, "usd_per_device_hour": 2.0})
    assert found.verdict is Verdict.PASS
    assert "3 min 45 s" in found.message and "of $10.00" in found.message and not found.fix
    assert found.numbers["hours"] == pytest.approx(RUN / 3600)


def test_too_many_hours_fail_and_fewer_epochs_that_fit_are_proposed() -> None:
    found = found_for({"max_hours": 0.8 * RUN / 3600})
    assert found.verdict is Verdict.FAIL
    epochs = found.fix["train.num_train_epochs"]
    assert 1.0 <= epochs < 3.0 and f"{epochs:g} of 3 epochs" in found.remedy
    assert found_for({"max_hours": 0.8 * RUN / 3600}, train={"num_train_epochs": epochs}).verdict is Verdict.PASS


def test_too_much_money_fails_and_steps_that_fit_are_proposed() -> None:
    budget = {"max_usd": 0.1, "usd_per_device_hour": 3.0}
    train = {"max_steps": 300, "eval_steps": 100, "save_strategy": "no"}
    found = found_for(budget, train=train, disk_bytes_per_second=None)
    assert found.verdict is Verdict.FAIL and "$0.14 ($0.14 to $0.14) of $0.10" in found.message
    steps = found.fix["train.max_steps"]
    assert 100 <= steps < 300
    assert found_for(budget, train=train | {"max_steps": steps}, disk_bytes_per_second=None).verdict is Verdict.PASS


def test_more_devices_share_the_hours_and_not_the_cost() -> None:
    budget = {"max_hours": 0.5 * RUN / 3600, "usd_per_device_hour": 3.0}
    alone, eight = (
        found_for(budget, disk_bytes_per_second=None),
        found_for(budget | {"devices": 8}, disk_bytes_per_second=None),
    )
    assert (alone.verdict, eight.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert eight.numbers["usd"] == pytest.approx(alone.numbers["usd"])


@pytest.mark.parametrize(("spare", "verdict"), [(1.2, Verdict.PASS), (1.05, Verdict.WARN), (0.99, Verdict.FAIL)])
def test_an_interval_that_touches_the_budget_is_a_warning(spare: float, verdict: Verdict) -> None:
    settings = made.config(train=TRAIN)
    hours = made.forecast(settings, uneven()).hours
    assert hours.high > 1.08 * hours.middle
    assert found_for({"max_hours": spare * hours.middle}, uneven()).verdict is verdict


def test_the_limit_is_the_budget_itself() -> None:
    hours = made.forecast().hours.middle
    assert found_for({"max_hours": hours * (1 + 1e-9)}).verdict is Verdict.PASS
    assert found_for({"max_hours": hours * (1 - 1e-9)}).verdict is Verdict.FAIL


def test_less_than_an_epoch_is_not_proposed() -> None:
    found = found_for({"max_hours": 0.3 * RUN / 3600})
    assert found.verdict is Verdict.FAIL and not found.fix
    assert "epochs" in found.remedy


def test_padding_and_many_looks_are_named_where_they_cost() -> None:
    padded = made.timing(0.5, 1_000, padded_tokens=[2_000] * 50)
    found = found_for({"max_hours": 0.01}, padded, train={"eval_steps": 10})
    assert "50 % of the places are padding" in found.remedy and "2.0 times shorter" in found.remedy
    assert "raise train.eval_steps" in found.remedy
    plain = found_for({"max_hours": 0.01}, train={"eval_steps": 150})
    assert "padding" not in plain.remedy and "eval_steps" not in plain.remedy


@pytest.mark.parametrize(
    ("budget", "machine", "reason"),
    [
        ({}, {}, "no budget"),
        ({"usd_per_device_hour": 2.0}, {}, "no budget"),
        ({"max_usd": 5.0}, {}, "set budget.usd_per_device_hour"),
        ({"max_hours": 1e-6, "devices": "8 x H100"}, {"device": "cpu"}, "measured on cpu"),
    ],
)
def test_without_anything_to_hold_against_it_is_not_checked(
    budget: dict[str, Any], machine: dict[str, Any], reason: str
) -> None:
    found = found_for(budget, **machine)
    assert found.verdict is Verdict.SKIP and reason in found.message
