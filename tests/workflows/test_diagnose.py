"""A log of somebody's run gets the findings that it can show, and says which need more than it has."""

from __future__ import annotations

import io
import json
import math
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import sanetune
from sanetune.errors import ConfigError
from sanetune.finding import BAD, Verdict
from sanetune.report.terminal import findings as terminal
from sanetune.workflows.diagnose import Diagnosis, diagnose

GALLERY: dict[str, set[str]] = {
    "healthy": set(),
    "lr_hot": {"curve-diverged"},
    "lr_zero": {"curve-rate-zero"},
    "overfit": {"curve-overfit"},
    "fp16_nan": {"curve-diverged", "curve-nan"},
    "bad_labels": {"curve-start-high"},
}
"""Runs of the gallery by the causes that their author gives, and what has to be found in them."""


def state(folder: Path, history: list[dict[str, Any]], **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(json.dumps({"log_history": history, **more}))
    return folder


def only(path: Path) -> Diagnosis:
    (found,) = diagnose([path])
    return found


@pytest.mark.parametrize(("name", "faults"), GALLERY.items())
def test_runs_with_a_known_cause_get_its_finding(shared: Path, name: str, faults: set[str]) -> None:
    report = only(shared / "logs/qlora-gallery" / name).report
    assert faults <= {finding.check for finding in report.of(*BAD)}
    assert (report.verdict is Verdict.FAIL) == bool(faults)


def test_checks_that_a_longer_log_would_serve_are_counted(tmp_path: Path) -> None:
    short = only(state(tmp_path / "short", [{"step": step, "loss": 3 - step / 50} for step in range(1, 7)]))
    assert "curve-spike" in short.too_short and "curve-overfit" not in short.too_short
    assert short.report.subject["judged"].startswith(f"too short a log for {len(short.too_short)} of the ")
    assert short.to_json()["too_short"] == short.too_short
    long = only(state(tmp_path / "long", [{"step": step, "loss": 3 - step / 500} for step in range(1, 200)]))
    assert not long.too_short and "judged" not in long.report.subject


def test_checks_without_their_numbers_are_skipped_with_a_reason(tmp_path: Path) -> None:
    history = [{"step": step, "loss": 3 - step / 50} for step in range(1, 60)]
    report = only(state(tmp_path, history, max_steps=59)).report
    assert report["curve-overfit"].verdict is Verdict.SKIP and "0 evaluations" in report["curve-overfit"].message
    assert "no learning rate was logged" in report["curve-rate-zero"].message
    assert all(finding.check.startswith("curve-") for finding in report.findings)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"max_steps": 304}, ""),
        ({"max_steps": 350, "global_step": 350}, ""),
        ({"max_steps": 330, "save_steps": 300}, ""),
        ({"max_steps": 600, "save_steps": 300}, "the log ends at step 300 of 600"),
        ({}, "the log does not say how long the run was to be"),
    ],
)
def test_a_log_that_ends_within_an_interval_of_the_plan_is_of_a_whole_run(
    tmp_path: Path, more: dict[str, Any], reason: str
) -> None:
    history = [{"step": step, "loss": 1 + 3 / math.sqrt(step)} for step in range(10, 310, 10)]
    report = only(state(tmp_path, history, **more)).report
    assert report["curve-unfinished"].message.removeprefix("skipped: ") == reason or not reason
    assert (report["curve-unfinished"].verdict is Verdict.SKIP) == bool(reason)
    assert report["curve-stopped-early"].verdict is not Verdict.WARN
    assert report["curve-stalled"].message == "skipped: 30 training losses, fewer than 100"


def test_each_loss_at_the_end_says_what_it_is(shared: Path) -> None:
    found = only(next(shared.glob("logs/wild/JustinBStrong*")))
    losses = [point.loss for point in found.curve.points]
    assert f"{losses[-1]:.4g} at step 100 (last record)" in found.report.subject["loss"]
    for check in ("curve-diverged", "curve-unmeasured"):
        said = re.search(r"([0-9.]+) \(median of the last (\d+) losses\)", found.report[check].message)
        assert said is not None and f"{statistics.median(losses[-int(said[2]) :]):.3f}" == said[1]


def test_the_checkpoint_to_keep_is_named_with_the_nearest_that_is_saved(tmp_path: Path) -> None:
    history: list[dict[str, Any]] = [{"step": step, "loss": 3 / math.sqrt(step)} for step in range(10, 310, 10)]
    history += [{"step": step, "eval_loss": 2 + abs(step - 100) / 100} for step in range(50, 350, 50)]
    state(tmp_path, history, max_steps=300)
    for step in (80, 160):
        (tmp_path / f"checkpoint-{step}").mkdir()
    found = only(tmp_path)
    assert found.best is not None and (found.best.step, found.best.saved, found.best.last_step) == (100, 80, 300)
    assert found.report.subject["keep"].endswith("of the saved ones keep checkpoint-80")
    assert found.to_json()["keep"] == {"step": 100, "loss": 2.0, "saved": 80}
    (tmp_path / "checkpoint-100").mkdir()
    assert only(tmp_path).report.subject["keep"].startswith("checkpoint-100: ")


def test_no_checkpoint_is_named_that_is_not_known_to_be_there(tmp_path: Path) -> None:
    history = [{"step": step, "eval_loss": 2 + abs(step - 100) / 100} for step in range(50, 350, 50)]
    keep = only(state(tmp_path, history, max_steps=300)).report.subject["keep"]
    assert keep.startswith("the weights of step 100: ") and "checkpoint" not in keep


def test_no_checkpoint_of_a_run_that_diverged_from_its_start_is_to_be_kept(tmp_path: Path) -> None:
    history: list[dict[str, Any]] = [{"step": step, "loss": 1.4 if step < 3 else 7.5} for step in range(1, 61)]
    history += [{"step": step, "eval_loss": 7.7 - step / 100} for step in (20, 40, 60)]
    found = only(state(tmp_path, history, max_steps=60))
    assert found.report["curve-diverged"].verdict is Verdict.FAIL
    assert found.best is None and found.report.subject["keep"].startswith("none: ")
    assert found.to_json()["keep"] is None


def test_the_checkpoint_before_a_run_diverged_is_to_be_kept(tmp_path: Path) -> None:
    history: list[dict[str, Any]] = [
        {"step": step, "loss": 2.0 - step / 60 if step < 30 else 7} for step in range(1, 61)
    ]
    history += [{"step": step, "eval_loss": loss} for step, loss in ((10, 1.9), (20, 1.7), (40, 7.1), (60, 7.0))]
    found = only(state(tmp_path, history, max_steps=60))
    assert found.report["curve-diverged"].verdict is Verdict.FAIL
    assert found.best is not None and found.best.step == 20


@pytest.mark.parametrize(
    ("evaluated", "saved", "kept", "says"),
    [
        ([20], [20, 40, 60], 20, "checkpoint-20: validation loss 1.6 there, before losses are no numbers"),
        ([], [15, 30, 45], 30, "checkpoint-30: the last that is saved before losses are no numbers"),
        ([20], [40], None, "none: after step 33 losses are no numbers"),
        # The nearest of all is one of the weights that are no numbers.
        ([10, 33], [20, 34], 20, "the weights of step 33: validation loss 1.34 there, before"),
        ([10, 20, 30], [], None, "the weights of step 30: "),
    ],
)
def test_after_losses_that_are_no_numbers_a_checkpoint_from_before_is_to_be_kept(
    tmp_path: Path, evaluated: list[int], saved: list[int], kept: int | None, says: str
) -> None:
    history = [
        {"step": step, "loss": 2.0 if step < 34 else math.nan, "grad_norm": 1.0 if step < 34 else math.nan}
        for step in range(1, 61)
    ]
    history += [{"step": step, "eval_loss": 2 - step / 50} for step in evaluated]
    history += [{"step": 60, "eval_loss": math.nan}]
    for step in saved:
        (tmp_path / f"checkpoint-{step}").mkdir()
    found = only(state(tmp_path, history, max_steps=60))
    keep = found.report.subject["keep"]
    assert keep.startswith(says) and (found.best.saved if found.best else None) == kept


def test_a_report_does_not_ask_for_a_lower_learning_rate_and_a_higher_one(tmp_path: Path) -> None:
    """Evaluations rise while the training loss stays: the model moves, and the wrong way."""
    history: list[dict[str, Any]] = [{"step": step, "loss": 2 + step % 2 / 50} for step in range(1, 121)]
    history += [{"step": step, "eval_loss": 2 + step / 60} for step in (1, 30, 60, 90, 120)]
    report = only(state(tmp_path, history, max_steps=120)).report
    remedies = [one.remedy for one in report.of(*BAD)]
    assert report["curve-diverged"].verdict is Verdict.FAIL and any("lower" in one.lower() for one in remedies)
    assert not any("raise" in one or "higher" in one for one in remedies)


def test_a_difference_within_noise_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    evaluations = [{"step": step, "eval_loss": loss} for step, loss in ((1, 3.0), (2, 1.999), (3, 2.0))]
    best = only(state(tmp_path, evaluations)).best
    assert best is not None and best.is_last


def test_parts_of_a_validation_loss_are_no_sets(tmp_path: Path) -> None:
    history = [{"step": step, "eval_loss": 2.0, "eval_aux_loss": 3.0 + step} for step in (1, 2)]
    found = only(state(tmp_path, history))
    assert "not judged, as parts of it: eval_aux_loss" in found.report.subject["eval_loss"]
    assert not found.curve.sets


def two_sets(code: list[float], math: list[float]) -> list[dict[str, Any]]:
    """The log of a Trainer with ``eval_dataset={"code": ..., "math": ...}``, one of each every ten steps."""
    steps = 10 * len(code)
    history: list[dict[str, Any]] = [{"step": step, "loss": 2 - step / steps} for step in range(1, steps + 1)]
    for place, losses in enumerate(zip(code, math, strict=True), 1):
        for name, loss in zip(("code", "math"), losses, strict=True):
            history.append({"step": 10 * place, f"eval_{name}_loss": loss, f"eval_{name}_runtime": 1.0})
    return sorted(history, key=lambda one: one["step"])


FALLING = [2.0, 1.8, 1.7, 1.6, 1.5, 1.45, 1.4, 1.38]
TURNING = [2.0, 1.5, 1.4, 1.6, 1.9, 2.3, 2.6, 3.0]


def test_of_several_sets_all_are_judged_and_the_finding_says_which(tmp_path: Path) -> None:
    found = only(state(tmp_path / "a", two_sets(FALLING, TURNING), max_steps=80))
    finding = found.report["curve-overfit"]
    assert finding.verdict is Verdict.WARN and finding.message.startswith("eval_math_loss: ")
    assert found.report["curve-nan"].verdict is Verdict.PASS
    # The other set decides, and its checkpoint is the one to keep.
    assert found.best is not None and found.best.step == 80
    assert found.report.subject["eval_code_loss"].endswith("decides which checkpoint is best")
    assert found.report.subject["eval_math_loss"] == "1.4 at its lowest (step 30), 3 at the end"


def test_the_set_by_which_the_trainer_has_chosen_its_best_checkpoint_decides(tmp_path: Path) -> None:
    folder = state(tmp_path, two_sets(FALLING, TURNING), max_steps=80, best_metric=1.4)
    found = only(folder)
    # 1.4 is an evaluation of both: the one that was logged first is taken, but not where only the other has it.
    assert found.log.validation_losses[0] == "eval_code_loss"
    found = only(state(tmp_path / "b", two_sets([*FALLING[:6], 1.41, 1.38], TURNING), max_steps=80, best_metric=1.4))
    assert found.log.validation_losses[0] == "eval_math_loss"
    finding = found.report["curve-overfit"]
    assert finding.verdict is Verdict.FAIL and finding.message.startswith("eval_math_loss: ")
    assert found.best is not None and found.best.step == 30


def test_the_best_weights_are_to_be_kept_by_a_loss_that_the_trainer_knows(tmp_path: Path) -> None:
    """Without its name a trainer looks for eval_loss, and raises where no set is called so."""
    decides = state(tmp_path / "b", two_sets([*FALLING[:6], 1.41, 1.38], TURNING), max_steps=80, best_metric=1.4)
    fix = only(decides).report["curve-overfit"].fix
    assert fix["TrainingArguments.metric_for_best_model"] == "eval_math_loss"

    history = [{"step": step, ("loss" if kind == "train" else "eval_loss"): loss} for kind, loss, step in OVERFITTED]
    usual = only(state(tmp_path / "c", history, max_steps=70)).report["curve-overfit"]
    assert "TrainingArguments.metric_for_best_model" not in usual.fix
    other = only(state(tmp_path / "d", history, max_steps=70, best_metric=0.9))
    finding = other.report["curve-overfit"]
    by_loss = {"TrainingArguments.metric_for_best_model": "eval_loss", "TrainingArguments.greater_is_better": False}
    assert by_loss.items() <= finding.fix.items() and by_loss.items() <= finding.answers[0]["change"].items()
    assert "another metric" in other.report.subject["note"]


def test_a_check_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no check"):
        list(diagnose([tmp_path], select=["curve-overfitt"]))


def test_advice_on_a_foreign_log_names_the_keywords_of_a_trainer(shared: Path) -> None:
    finding = only(shared / "logs/qlora-gallery/lr_hot").report["curve-diverged"]
    assert "train.learning_rate" not in finding.remedy and "learning_rate" in finding.remedy
    assert list(finding.fix) == ["TrainingArguments.learning_rate"]


OVERFITTED = [("train", 2.0, 10), ("validation", 2.0, 10), ("train", 1.5, 20), ("validation", 1.6, 20)]
OVERFITTED += [("train", 1.0 - i / 100, 30 + i) for i in range(40)] + [("validation", 2.4, 70)]


def our_run(folder: Path) -> Path:
    """The folder of a run of ours that has overfitted, with its configuration and the figures of its rows."""
    folder.mkdir()
    model = Path(sanetune.__file__).parent / "demo/model"
    (folder / "config.yaml").write_text(
        f"model: {{name: {model}, dtype: float32}}\ndata: {{train: rows.jsonl, holdout: 0.1}}\n"
        "train: {learning_rate: 3.0e-3, num_train_epochs: 7, weight_decay: 0.01}\n"
    )
    (folder / "data.json").write_text(
        json.dumps({"stats": {"train": {"examples": 640, "loss_tokens": 9_000}, "rows": 700}})
    )
    records = [{"kind": kind, "step": step, "loss": loss, "epoch": step / 10} for kind, loss, step in OVERFITTED]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    return folder


def test_overfitting_of_our_own_run_is_answered_in_the_words_of_its_configuration(tmp_path: Path) -> None:
    found = only(our_run(tmp_path / "run")).report["curve-overfit"]
    assert found.verdict in BAD
    changes = {one["name"]: one["change"] for one in found.answers}
    assert changes["fewer epochs"]["train.num_train_epochs"] == 2.0
    assert changes["a lower learning rate"] == {"train.learning_rate": 1e-3}
    assert changes["weight decay"] == {"train.weight_decay": 0.1}
    assert changes["LoRA"]["model.adapter"] == "lora" and changes["LoRA"]["train.learning_rate"] > 3e-4
    words = " ".join(one["words"] for one in found.answers)
    assert "it is 0.01" in words and "there are 640" in words and "LIMA" in words


def test_overfitting_of_a_trainers_run_is_answered_in_its_keywords(tmp_path: Path) -> None:
    history = [
        {"step": step, ("loss" if kind == "train" else "eval_loss"): loss, "learning_rate": 3e-4, "epoch": step / 10}
        for kind, loss, step in OVERFITTED
    ]
    found = only(state(tmp_path / "theirs", history, max_steps=70)).report["curve-overfit"]
    changes = {one["name"]: one["change"] for one in found.answers}
    assert changes["a lower learning rate"] == {"TrainingArguments.learning_rate": 1e-4}
    assert changes["weight decay"] == {"TrainingArguments.weight_decay": 0.1}
    assert not any("train." in one["words"] for one in found.answers)


def test_a_run_whose_configuration_is_gone_gets_the_values_of_its_log(tmp_path: Path) -> None:
    run = our_run(tmp_path / "run")
    (run / "config.yaml").unlink()
    names = [one["name"] for one in only(run).report["curve-overfit"].answers]
    assert "weight decay" in names and "LoRA" in names


def test_answers_are_shown_on_a_terminal_in_lines_of_their_own(tmp_path: Path) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    terminal.show(only(our_run(tmp_path / "run")).report, console)
    text = console.export_text()
    assert "weight decay: train.weight_decay=0.1" in text and "more data" in text and "LIMA" in text
