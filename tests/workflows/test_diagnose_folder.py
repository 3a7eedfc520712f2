"""A diagnosis knows what the folder of a run says beside its log."""

from __future__ import annotations

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from torch.utils.tensorboard import SummaryWriter

from sanetune.curves.series import Curve
from sanetune.finding import Finding, Verdict
from sanetune.gate.watch import LiveFinding
from sanetune.gate.watch_report import Ended, WatchFinding, WatchReport
from sanetune.report.terminal import diagnosis as view
from sanetune.workflows.diagnose import diagnose
from tests.workflows.test_diagnose import only, our_run, state

STOPPED = [{"step": step, "loss": 3 / math.sqrt(step)} for step in range(1, 71)] + [{"step": 70, "train_runtime": 9.0}]


@pytest.mark.parametrize(("step", "verdict"), [(70, Verdict.PASS), (40, Verdict.WARN), (None, Verdict.WARN)])
def test_a_stop_that_the_watch_made_is_no_fault(tmp_path: Path, step: int | None, verdict: Verdict) -> None:
    ended = None if step is None else {"step": step, "course": "turn", "checks": ["curve-overfit"], "checkpoint": 10}
    (tmp_path / "watch.json").write_text(json.dumps({"schema": 1, "mode": "stop", "ended": ended, "findings": []}))
    found = only(state(tmp_path, STOPPED, max_steps=400)).report["curve-stopped-early"]
    assert found.verdict is verdict
    assert ("sanetune's watch (curve-overfit) ended it" in found.message) == (verdict is Verdict.PASS)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"ended": 7}', '{"ended": {"step": "x", "checks": 3}}', '{"mode": "stop", "findings": [7]}'],
)
def test_a_damaged_report_of_the_watch_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "watch.json").write_text(content)
    found = only(state(tmp_path, STOPPED, max_steps=400))
    assert found.report["curve-stopped-early"].verdict is Verdict.WARN and not found.watched


def of_watch(check: str, verdict: Verdict, step: int, message: str) -> WatchFinding:
    return WatchFinding(LiveFinding(step, step - 8, Finding(check, verdict, message)))


def test_what_the_watch_had_found_and_the_log_does_not_show_is_told(tmp_path: Path) -> None:
    found = [
        of_watch("curve-spike", Verdict.WARN, 31, "Low."),
        of_watch("curve-diverged", Verdict.WARN, 35, "It rises."),
        of_watch("curve-diverged", Verdict.FAIL, 39, "It has risen."),
        of_watch("curve-stopped-early", Verdict.WARN, 40, "The log itself shows this."),
    ]
    (tmp_path / "watch.json").write_text(json.dumps(WatchReport("warn", found).to_json()))
    diagnosis = only(state(tmp_path, STOPPED, max_steps=400))
    assert [one.live.finding.message for one in diagnosis.watched] == ["Low.", "It has risen."]
    assert diagnosis.report.verdict is Verdict.WARN  # of its own findings alone
    assert diagnosis.to_json()["watched"][0] == {
        "check": "curve-spike", "verdict": "warn", "step": 31, "at": 23, "message": "Low.",
    }  # fmt: skip
    console = Console(width=80, record=True, file=io.StringIO())
    view.show(diagnosis, console)
    assert "at step 39 the watch of this run had found FAIL curve-diverged: It has risen." in " ".join(
        console.export_text().split()
    )


def proposed(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    (found,) = diagnose([run])
    finding = found.report["curve-overfit"]
    return finding.fix, {one["name"]: one["change"] for one in finding.answers}


def test_a_value_that_the_configuration_has_is_not_proposed(tmp_path: Path) -> None:
    run = our_run(tmp_path / "run")
    fix, answers = proposed(run)
    assert fix["train.load_best_model_at_end"] and answers["the checkpoint at the minimum"]
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("num_train_epochs", "load_best_model_at_end: true, num_train_epochs"))
    fix, answers = proposed(run)
    assert "train.load_best_model_at_end" not in fix and answers["the checkpoint at the minimum"] == {}
    assert answers["weight decay"] == {"train.weight_decay": 0.1}


def test_arguments_that_a_trainer_has_logged_are_not_proposed(tmp_path: Path) -> None:
    given = {"max_steps": 60, "load_best_model_at_end": True, "weight_decay": 0.1, "max_grad_norm": 1.0}
    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_text("args", json.dumps(given))
        for step in range(1, 61):
            writer.add_scalar("train/loss", 3 * math.exp(-step / 20), step)
            if not step % 10:
                writer.add_scalar("eval/loss", 2.0 + 0.01 * (step - 20) ** 2 / 10, step)
    (found,) = diagnose([tmp_path])
    finding = found.report["curve-overfit"]
    names = [one["name"] for one in finding.answers]
    assert "weight decay" not in names and "TrainingArguments.load_best_model_at_end" not in finding.fix
    assert found.curve.max_grad_norm == 1.0


def watched(folder: Path, checks: list[str]) -> Path:
    ended = {"step": 70, "course": "stop", "checks": checks, "checkpoint": 10}
    (folder / "watch.json").write_text(json.dumps({"schema": 1, "mode": "stop", "ended": ended, "findings": []}))
    return folder


def tensorboard(folder: Path) -> Path:
    """The log that a Trainer's callback writes of a run that returned at step 70 of 400."""
    with SummaryWriter(str(folder)) as writer:
        writer.add_text("args", json.dumps({"max_steps": 400}))
        for step in range(1, 71):
            writer.add_scalar("train/loss", 3 / math.sqrt(step), step)
        writer.add_scalar("train/train_runtime", 9.0, 70)
    return folder


@pytest.mark.parametrize("at", [".", "runs/Dec01_host", "tensorboard"])
def test_the_folder_of_tensorboard_in_that_of_a_run_knows_what_ended_it(tmp_path: Path, at: str) -> None:
    log = tensorboard(tmp_path / at)
    assert only(log).report["curve-stopped-early"].verdict is Verdict.WARN
    (watched(tmp_path, ["curve-nan"]) / "checkpoint-10").mkdir()
    found = only(log)
    assert found.report["curve-stopped-early"].verdict is Verdict.PASS
    assert "sanetune's watch (curve-nan) ended it" in found.report["curve-stopped-early"].message
    # Of a run that is itself called runs/NAME the report of the watch is its own.
    ended = {"step": 7, "course": "stop", "checks": ["curve-spike"]}
    (log / "watch.json").write_text(json.dumps({"ended": ended, "findings": []}))
    assert only(log).report["curve-stopped-early"].verdict is Verdict.WARN or at == "tensorboard"


STOP = "GateError: the watch has stopped this run after step 70{}:\n  curve-nan: 3 of 37 losses are NaN.\n"
TURN = Ended(70, "turn", ("curve-overfit", "curve-nan"), 60).words


@pytest.mark.parametrize(
    ("printed", "checks"),
    [
        (STOP.format(""), "curve-nan"),
        (
            STOP.format(" (checkpoint-20 is left)") + "  curve-diverged: It rises.\nThe rest.\n",
            "curve-nan, curve-diverged",
        ),
        (f"{TURN}\n", "curve-overfit, curve-nan"),
        (f"{TURN}\n{{'loss': 1.0, 'epoch': 1.0}}\n", None),  # resumed, and ended by something else
        ("no watch has stopped this run\n", None),
    ],
)
def test_printed_output_says_that_the_watch_ended_the_run(tmp_path: Path, printed: str, checks: str | None) -> None:
    bars = [f"\r 10%|█   | {step}/400 [00:09<00:09]" for step in range(81)]
    lines = [f"{bars[step]}\n{{'loss': {3 / math.sqrt(step)}, 'epoch': {step / 80}}}" for step in range(1, 71)]
    end = f"{bars[71]}\n{{'train_runtime': 9.0, 'train_loss': 1.5, 'epoch': 1}}\n"
    (tmp_path / "train.log").write_text("\n".join([bars[0], *lines, printed]) + end, encoding="utf-8")
    finding = only(tmp_path / "train.log").report["curve-stopped-early"]
    assert finding.verdict is (Verdict.WARN if checks is None else Verdict.PASS)
    assert checks is None or f"sanetune's watch ({checks}) ended it" in finding.message


def curve_of(run: Path) -> Curve:
    (found,) = diagnose([run])
    return found.curve


def test_the_start_of_our_own_run_is_judged_by_the_vocabulary_of_its_model(tmp_path: Path) -> None:
    run = our_run(tmp_path / "run")
    assert curve_of(run).vocab_size == 2048
    assert "2,048 tokens" in only(run).report["curve-start-high"].message
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(re.sub("name: [^,]+", "name: owner/not-here", text))
    assert curve_of(run).vocab_size is None
    saved = run / "checkpoints/checkpoint-20"
    saved.mkdir(parents=True)
    (saved / "config.json").write_text(json.dumps({"text_config": {"vocab_size": 300}, "vocab_size": 7}))
    assert curve_of(run).vocab_size == 300


def test_a_diagnosis_knows_what_our_own_run_has_planned(tmp_path: Path) -> None:
    run = our_run(tmp_path / "run")
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("num_train", "warmup_steps: 0.1, max_grad_norm: 0.5, num_train"))
    (run / "state.json").write_text(json.dumps({"total_steps": 95}))
    curve = curve_of(run)
    assert (curve.planned_lr, curve.warmup_steps, curve.max_grad_norm) == (3e-3, 10, 0.5)
    assert curve.usual_lr == 4.3e-4  # as for a model of its size that is given no learning rate
    (run / "state.json").unlink()
    assert curve_of(run).warmup_steps is None  # of a number of steps that is not known
    (run / "config.yaml").write_text("no configuration of ours")
    assert (curve_of(run).planned_lr, curve_of(run).vocab_size) == (None, None)


def test_the_start_of_a_trainers_run_is_judged_by_the_vocabulary_of_its_checkpoint(tmp_path: Path) -> None:
    state(tmp_path / "checkpoint-70", STOPPED, max_steps=400)
    assert curve_of(tmp_path).vocab_size is None
    (tmp_path / "checkpoint-70/config.json").write_text('{"vocab_size": 512}')
    assert curve_of(tmp_path).vocab_size == 512
    (tmp_path / "log.csv").write_text("step,loss\n" + "".join(f"{step},{3 - step / 9}\n" for step in range(1, 9)))
    (tmp_path / "config.json").write_text('{"vocab_size": 7}')
    assert curve_of(tmp_path / "log.csv").vocab_size is None  # a file of any origin, beside any model


@pytest.mark.parametrize("has_watch", [False, True])
def test_tensorboard_in_a_trainers_folder_knows_the_vocabulary_of_its_checkpoints(
    tmp_path: Path, has_watch: bool
) -> None:
    checkpoint = state(tmp_path / "checkpoint-70", STOPPED, max_steps=70)
    (checkpoint / "config.json").write_text(json.dumps({"vocab_size": 2048}))
    if has_watch:
        (tmp_path / "watch.json").write_text(json.dumps(WatchReport("warn", []).to_json()))
    with SummaryWriter(tmp_path / "runs" / "Dec01_host") as writer:
        for one in STOPPED[:-1]:
            writer.add_scalar("train/loss", one["loss"], one["step"])
    found = only(tmp_path / "runs")
    assert "guessing among 2,048 tokens" in found.report["curve-start-high"].message
