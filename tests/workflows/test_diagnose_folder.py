"""A diagnosis knows what the folder of a run says beside its log."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sanetune.finding import Verdict
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


@pytest.mark.parametrize("content", ["", "[]", "{", '{"ended": 7}', '{"ended": {"step": "x", "checks": 3}}'])
def test_a_damaged_report_of_the_watch_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "watch.json").write_text(content)
    assert only(state(tmp_path, STOPPED, max_steps=400)).report["curve-stopped-early"].verdict is Verdict.WARN


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
