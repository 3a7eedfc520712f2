"""config-no-validation, config-epochs-many, config-remote-code: one number decides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sanetune.finding import Verdict
from tests.checks.run_numbers import find, numbers


def validation(**changed: Any) -> Any:
    return find("config-no-validation", run_settings=numbers(**changed))


def test_validation_rows_that_are_measured_pass() -> None:
    finding = validation()
    assert finding.verdict is Verdict.PASS
    assert "100 held-out rows (9.1 % of all) are evaluated every 20 steps" in finding.message
    assert validation(eval_strategy="epoch", eval_steps=None).verdict is Verdict.PASS


def test_no_validation_rows_are_caught() -> None:
    finding = validation(validation_examples=0, eval_strategy="no")
    assert finding.verdict is Verdict.WARN and "0 rows are held out; all 1,000" in finding.message
    assert finding.fix == {"data.holdout": 0.1}
    given = validation(validation_examples=0, eval_strategy="no", given={"eval_strategy": "no"})
    assert given.fix == {"data.holdout": 0.1, "train.eval_strategy": "steps"}


def test_validation_rows_that_nobody_measures_are_caught() -> None:
    finding = validation(eval_strategy="no", eval_steps=None)
    assert finding.verdict is Verdict.WARN and "100 rows are held out, but" in finding.message
    assert finding.fix == {"train.eval_strategy": "steps"}


@pytest.mark.parametrize(("rows", "verdict"), [(1, "warn"), (9, "warn"), (10, "pass")])
def test_a_handful_of_validation_rows_says_little(rows: int, verdict: str) -> None:
    assert validation(validation_examples=rows).verdict == verdict


def epochs(**changed: Any) -> Any:
    return find("config-epochs-many", run_settings=numbers(**changed))


@pytest.mark.parametrize(
    ("rows", "passes", "verdict"),
    [
        (1_000, 15, "pass"),
        (1_000, 5, "pass"),
        (52_000, 3, "pass"),
        (1_000, 15.1, "warn"),
        (199, 10, "pass"),
        (199, 10.5, "warn"),
        (200, 15, "pass"),
        (20, 50, "warn"),
    ],
)
def test_passes_beyond_what_has_worked_are_caught(rows: int, passes: float, verdict: str) -> None:
    finding = epochs(train_examples=rows, epochs=passes)
    assert finding.verdict == verdict and f"{passes:g}" in finding.message and f"{rows:,} rows" in finding.message


def test_the_fix_changes_what_decides_the_length() -> None:
    assert epochs(epochs=40.0).fix == {"train.num_train_epochs": 3.0}
    assert epochs(epochs=40.0, given={"max_steps": 2_520}).fix == {"train.max_steps": 189}


def test_few_packs_are_not_few_rows() -> None:
    assert epochs(train_examples=50, epochs=12.0, packing=True).verdict is Verdict.PASS
    assert epochs(train_examples=50, epochs=12.0).verdict is Verdict.WARN


def code(**changed: Any) -> Any:
    return find("config-remote-code", run_settings=numbers(trust_remote_code=True, **changed))


def test_no_remote_code_passes() -> None:
    assert find("config-remote-code", run_settings=numbers()).verdict is Verdict.PASS


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "a" * 39, "g" * 40])
def test_code_that_can_change_fails(revision: str | None) -> None:
    finding = code(revision=revision)
    assert finding.verdict is Verdict.FAIL and "HuggingFaceTB/SmolLM2-135M" in finding.message


def test_pinned_code_is_a_warning() -> None:
    finding = code(revision="0123456789abcdef0123456789ABCDEF01234567")
    assert finding.verdict is Verdict.WARN and "0123456789ab" in finding.message


def test_code_in_a_local_folder_is_a_warning(tmp_path: Path) -> None:
    assert code(name=str(tmp_path)).verdict is Verdict.WARN
