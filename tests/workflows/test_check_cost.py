"""A check that costs more than the run says so first, with a shorter one that can be pasted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sanetune import commands
from sanetune.checks.model import cannot_overfit
from sanetune.config.load import load
from sanetune.config.schema import CheckSection
from sanetune.evidence.registry import Evidence
from sanetune.workflows.check_cost import check_steps, cost_note

BASE: dict[str, Any] = {"model": {"name": "owner/model"}, "data": {"train": "owner/data"}}


def note(total: int, effective: int = 8, *overrides: str) -> str:
    plan = SimpleNamespace(steps=SimpleNamespace(total_steps=total, effective=effective))
    with commands.typed("my.yaml", overrides):
        return cost_note(load(BASE, overrides), Evidence({}, {"plan": plan}))


def test_a_short_run_is_told_what_its_check_costs_and_how_to_make_it_shorter() -> None:
    said = note(100)
    assert "up to 345 optimizer steps, and the run itself 100" in said
    assert "sanetune check my.yaml check.trial_steps=20 check.overfit_examples=5 (and train" in said
    assert "sanetune check my.yaml --level probe" in said


def test_a_value_that_was_typed_is_neither_repeated_nor_made_larger() -> None:
    said = note(100, 8, "check.trial_steps=15", "check.overfit_steps=80")
    shorter = "check.trial_steps=15 check.overfit_examples=5 check.overfit_steps=50"
    assert f"check my.yaml {shorter} (and train with the same words), or" in said


@pytest.mark.parametrize("total", [1000, 50_000])
def test_a_long_run_is_not(total: int) -> None:
    assert note(total) == ""


def test_the_overfit_test_keeps_the_steps_that_a_sound_model_needs() -> None:
    needed = CheckSection().overfit_steps
    assert cannot_overfit.LIMITS["steps"].value <= needed
    assert f"overfit_steps={needed}" in note(100, 8, "check.overfit_steps=80")
    assert "overfit_steps" not in note(100) and "overfit_steps=50" not in note(100, 8, "check.overfit_steps=40")


def test_the_shorter_protocol_makes_fewer_steps() -> None:
    section = load(BASE, ["check.trial_steps=20", "check.overfit_examples=5"]).check
    assert check_steps(section, 100, 8) < check_steps(load(BASE).check, 100, 8)


def test_a_run_that_cannot_be_planned_gets_no_note() -> None:
    assert cost_note(load(BASE), Evidence({})) == ""
