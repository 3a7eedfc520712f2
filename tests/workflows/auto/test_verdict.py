"""When a trained model is promoted, and what is tried where it is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sanetune.errors import UserError
from sanetune.workflows.auto.facts import Checked, Facts, Trained
from sanetune.workflows.auto.journal import Journal
from tests.workflows.auto.fake import SOUND, Finds, compared, decisions, failing, machine


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        ({"verdict": "worse", "worse": ("validation loss",)}, "held-out rows say: worse"),
        ({"verdict": "mixed"}, "held-out rows say: mixed"),
        ({"verdict": "no difference shown", "loss": 0.01}, "held-out rows say: no difference shown"),
        ({"cleared": False, "uncleared": "data: rows.jsonl has changed"}, "the clearance does not hold"),
        ({"rows": 0, "better": ("ends by itself",)}, "there are no held-out rows"),
        ({"forgot": "warn", "forgot_words": "9 of 20 prompts"}, "it has forgotten: 9 of 20 prompts"),
        ({"forgot": "crash", "forgot_words": "no memory"}, "it has forgotten: no memory"),
    ],
)
def test_nothing_is_promoted_that_is_not_better_cleared_and_unforgetful(
    verdict: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    known = machine(tmp_path, {"compare": [compared(**verdict)]}).run()
    assert known.outcome == "rejected" and reason in known.reason and known.promoted is None


def test_a_skipped_measure_of_forgetting_is_said_and_does_not_stand_against(tmp_path: Path) -> None:
    known = machine(tmp_path, {"compare": [compared(forgot="skip")]}).run()
    assert known.outcome == "promoted" and "general knowledge: not measured" in known.reason


def test_a_goal_that_code_can_measure_has_to_be_reached(tmp_path: Path) -> None:
    known = machine(tmp_path, goal="ends by itself at least 99%").run()
    assert known.outcome == "rejected" and "the goal is not reached: ends by itself at least 0.99" in known.reason
    assert machine(tmp_path / "b", goal="ends by itself at least 95%").run().outcome == "promoted"


def test_a_model_that_forgets_is_tried_again_at_a_third_of_the_learning_rate(tmp_path: Path) -> None:
    finds: Finds = {"compare": [compared(forgot="warn", forgot_words="x"), compared()]}
    known = machine(tmp_path, finds).run()
    assert (known.outcome, known.attempt) == ("promoted", 2)
    assert known.tried == [{"train.learning_rate": pytest.approx(3.3e-4)}]
    assert decisions(tmp_path).count(("train", "train")) == 2


def test_a_run_that_the_gate_refuses_with_the_best_of_a_sweep_goes_back_to_what_it_had_cleared(tmp_path: Path) -> None:
    open_ = replace(SOUND["check"], at_edge=True)  # type: ignore[call-arg]
    refused = failing("curve-rate-beaten")
    known = machine(tmp_path, {"check": [open_, refused, SOUND["check"]]}, budget=20_000).run()
    assert (known.outcome, known.attempt, known.tried) == ("promoted", 1, [{"train.learning_rate": 1e-3}])
    assert ("clearance", "go back") in decisions(tmp_path)
    known = machine(tmp_path / "b", {"check": [open_, refused]}, budget=20_000).run()
    assert known.outcome == "gave up" and decisions(tmp_path / "b").count(("clearance", "go back")) == 1


def test_a_third_of_the_learning_rate_is_that_of_the_one_that_the_gate_has_set(tmp_path: Path) -> None:
    sound = SOUND["check"]
    assert isinstance(sound, Checked)
    check = replace(sound, changes={"train.learning_rate": 6e-3})
    finds: Finds = {"check": [check, sound], "compare": [compared(forgot="warn", forgot_words="x"), compared()]}
    assert machine(tmp_path, finds).run().tried == [{"train.learning_rate": pytest.approx(2e-3)}]
    # Checked again with what an adviser proposed, the gate has changed nothing more.
    finds["check"] = [replace(sound, lr=6e-3)]
    assert machine(tmp_path / "b", finds).run().tried == [{"train.learning_rate": pytest.approx(2e-3)}]


def test_worse_answers_are_trained_for_longer_while_the_loss_falls_and_more_slowly_where_it_has_turned(
    tmp_path: Path,
) -> None:
    mixed = compared(verdict="mixed", worse=("repeats itself",))
    sound = SOUND["train"]
    assert isinstance(sound, Trained)
    runs: list[Facts | UserError] = [replace(sound, falling=True), sound]
    known = machine(tmp_path, {"train": runs, "compare": [mixed, mixed, compared()]}).run()
    assert (known.outcome, known.attempt) == ("promoted", 3)
    assert known.tried == [{"train.num_train_epochs": 4.0}, {"train.learning_rate": pytest.approx(3.3e-4)}]


def test_a_longer_attempt_is_forecast_at_its_length_and_still_shortened_where_it_does_not_fit(tmp_path: Path) -> None:
    plan = replace(SOUND["plan"], by_steps=True)  # type: ignore[call-arg]
    longer = replace(plan, steps=400, run_seconds=440.0)
    slow = replace(SOUND["check"], steps=400, run_seconds=1260.0, step_seconds=3.0)  # type: ignore[call-arg]
    finds: Finds = {
        "plan": [plan, longer, plan],
        "check": [SOUND["check"], slow, SOUND["check"]],
        "compare": [compared(verdict="no difference shown", loss=-0.1), compared()],
    }
    known = machine(tmp_path, finds, budget=2500).run()
    entries = [one for one in Journal.read(tmp_path).entries if one["kind"] == "decided"]
    again = next(one for entry in entries for one in entry["options"] if one["name"] == "retry")
    assert again["seconds"] > 400 * 1.2 + 2 * 210 * 1.2
    assert ("train", "shorten") in decisions(tmp_path), [one["reason"] for one in entries]
    assert (known.outcome, known.attempt) == ("promoted", 2)


def test_a_run_is_shortened_once_in_an_attempt(tmp_path: Path) -> None:
    slow = replace(SOUND["check"], run_seconds=4000.0, step_seconds=20.0, seconds=60.0)  # type: ignore[call-arg]
    short = replace(SOUND["plan"], steps=80, run_seconds=88.0)  # type: ignore[call-arg]
    finds: Finds = {"plan": [SOUND["plan"], short], "check": [slow, replace(slow, steps=80)]}
    known = machine(tmp_path, finds, budget=3000, takes={"check": 60.0}).run()
    assert decisions(tmp_path).count(("train", "shorten")) == 1
    assert known.outcome == "gave up" and "it was shortened before" in known.reason
