"""Real logs with known labels: healthy ones stay without an alarm, faults are named, traps are not fallen into."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sanetune.curves.logs.trainer_state import read
from tests.checks.curve_material import bad, found


def verdicts(shared: Path, name: str) -> dict[str, str]:
    (file,) = shared.glob(f"logs/*/{name}*/trainer_state.json")
    return bad(read(file).curve())


@pytest.mark.parametrize(
    ("name", "check", "verdict"),
    [
        ("lr_hot", "diverged", "fail"),
        ("fp16_nan", "diverged", "fail"),
        ("fp16_nan", "nan", "warn"),
        ("lr_zero", "rate-zero", "fail"),
        ("bad_labels", "start-high", "fail"),
        ("overfit", "overfit", "fail"),
        ("JustinBStrong", "diverged", "fail"),
        ("aigoncharov", "overfit", "fail"),
        ("Fujump", "staircase", "warn"),
        ("syGOAT", "staircase", "warn"),
        ("yc1999", "staircase", "warn"),
        ("SecurityLab-UCD__UniTSyn__results_checkpoint-3500", "start-high", "fail"),
        ("SecurityLab-UCD__UniTSyn__results_checkpoint-500", "warmup-long", "warn"),
        ("agosalvez", "unmeasured", "warn"),
        ("arkB", "unmeasured", "warn"),
    ],
)
def test_faults_with_a_known_cause_are_named(shared: Path, name: str, check: str, verdict: str) -> None:
    assert verdicts(shared, name).get(check) == verdict


def test_healthy_logs_raise_no_alarm(shared: Path) -> None:
    with (shared / "logs/wild/INDEX.csv").open() as file:
        healthy = [row["id"] for row in csv.DictReader(file) if "healthy" in row["label"]]
    alarms = {name: verdicts(shared, name) for name in [*healthy, "healthy"]}
    assert len(alarms) == 8
    # Two of them go over their rows five times and evaluate nothing, which is true, and no fault of their course.
    assert {name: some for name, some in alarms.items() if some} == {
        name: {"unmeasured": "warn"} for name in alarms if name.endswith(("checkpoint-135", "checkpoint-640"))
    }


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("thomasfoltz", "validation flat at the end"),
        ("huloujun__GreenBuilding-QA-LLM__outputs_checkpoint-15", "a single logged loss"),
    ],
)
def test_odd_logs_without_a_provable_fault_pass(shared: Path, name: str, why: str) -> None:
    assert verdicts(shared, name) == {}


@pytest.mark.parametrize("name", ["agosalvez", "arkB"])
def test_a_loss_near_zero_or_after_many_epochs_is_no_other_fault(shared: Path, name: str) -> None:
    assert verdicts(shared, name) == {"unmeasured": "warn"}


def test_a_diverged_run_says_how_far(shared: Path) -> None:
    finding = found(read(shared / "logs/qlora-gallery/lr_hot/trainer_state.json").curve())["diverged"]
    assert finding.numbers["end"] == pytest.approx(7.6, abs=0.2)
    # The loss shoots up inside the warm-up, where the learning rate is a fifth of its peak: a tenth of that.
    assert finding.fix == {"train.learning_rate": 0.0004}
