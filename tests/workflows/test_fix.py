"""What a correction does between its looks, and one whole correction on the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.demo import MODEL, TRAIN
from sanetune.errors import ConfigError
from sanetune.evidence.registry import Evidence
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.fixer import INPUT, ROUNDS, Round, fix
from sanetune.gate.invalidation import still_valid
from sanetune.workflows.fix import correct

TEXT = """model:
  name: some/model
data:
  train: rows.jsonl
train:
  learning_rate: 0.1  # hot
  fp16: true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(TEXT)
    return path


def clear() -> Report:
    return Report([Finding("x", Verdict.PASS, "fine")])


def test_an_input_that_is_refused_with_the_value_that_fixes_it_is_fixed(file: Path) -> None:
    refused = ConfigError("train.fp16 is true, and there is no GPU", fix={"train.fp16": False})

    def check_once(config: Config, before: list[Round]) -> Report:
        return Report([], unusable=refused) if config.train["fp16"] else clear()

    done = fix(load(file), (), check_once)
    assert [(one.key, one.before, one.after, one.check) for one in done.changes] == [("train.fp16", True, False, INPUT)]
    assert done.report.exit_code == 0 and "# hot" in file.read_text()


def test_an_input_that_is_refused_without_such_a_value_stays_so(file: Path) -> None:
    done = fix(load(file), (), lambda config, before: Report([], unusable=ConfigError("no")))
    assert (len(done.rounds), done.report.exit_code, file.read_text()) == (1, 2, TEXT)


def test_of_changes_that_cannot_stand_together_as_many_are_made_as_can(file: Path) -> None:
    both = {"train.load_best_model_at_end": True, "train.eval_strategy": "no"}
    reports = iter([Report([Finding("x", Verdict.FAIL, "bad", fix=both)]), clear()])
    done = fix(load(file), (), lambda config, before: next(reports))
    assert [one.key for one in done.changes] == ["train.load_best_model_at_end"]
    assert load(file).train["load_best_model_at_end"] is True


def test_changes_that_the_configuration_refuses_leave_the_file_as_it_was(file: Path) -> None:
    bad = Report([Finding("x", Verdict.FAIL, "bad", fix={"train.learning_rate": "fast"})])
    done = fix(load(file), (), lambda config, before: bad)
    assert (len(done.rounds), done.changes, done.report.exit_code) == (1, [], 1)
    assert file.read_text() == TEXT and not done.diff


def test_intervals_wait_until_the_length_of_the_run_is_known(file: Path) -> None:
    few = {"train.gradient_accumulation_steps": 1, "train.eval_steps": 1, "train.save_steps": 1}
    reports = iter([Report([Finding("x", Verdict.FAIL, "bad", fix=few)]), clear()])
    done = fix(load(file), (), lambda config, before: next(reports))
    assert [one.key for one in done.changes] == ["train.gradient_accumulation_steps"]


def test_a_batch_that_is_large_for_the_rows_that_are_left_waits_for_the_others(file: Path) -> None:
    few = {"train.per_device_train_batch_size": 1, "train.eval_steps": 1, "train.max_length": 900}
    reports = iter([Report([Finding("x", Verdict.FAIL, "bad", fix=few)]), clear()])
    done = fix(load(file), (), lambda config, before: next(reports))
    assert [one.key for one in done.changes] == ["train.max_length"]


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ("train.learning_rate", True),
        ("train.warmup_steps", True),
        ("train.weight_decay", False),
        ("model.dtype", False),
        ("train.per_device_train_batch_size", False),
        ("data.holdout", False),
    ],
)
def test_compared_learning_rates_are_kept_where_they_would_come_out_the_same(changed: str, kept: bool) -> None:
    grown = object()
    evidence = Evidence({}, {"lr_comparison": grown})
    assert still_valid(evidence, clear(), [changed]).evidence.get("previous_lr_comparison") is (grown if kept else None)


def test_a_hot_learning_rate_is_lowered_until_the_run_is_cleared(tmp_path: Path) -> None:
    """One whole correction with the real model, as short as it can be."""
    rows = [line for line in TRAIN.read_text(encoding="utf-8").splitlines() if len(line) < 420][:60]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    settings: dict[str, Any] = {
        "train": "{use_cpu: true, learning_rate: 0.05, per_device_train_batch_size: 2, num_train_epochs: 1}",
        "check": "{trial_steps: 10, trial_eval_steps: 5, samples: 0, overfit_examples: 2, overfit_steps: 5,"
        " select: [config-rate-unusual, model-rate-critical, curve-rate-beaten, curve-diverged]}",
        "data": "{train: rows.jsonl, holdout: 0.3, workers: 1}  # sixty rows",
        "model": f"{{name: {MODEL}}}",
    }
    file = tmp_path / "run.yaml"
    file.write_text("\n".join(f"{key}: {value}" for key, value in settings.items()))
    heard: list[tuple[set[str], int]] = []
    done = correct(
        load(file),
        level="trial",
        on_round=lambda config, evidence, report, before: heard.append((set(evidence.seconds), len(before))),
    )
    lr = load(file).train["learning_rate"]
    assert done.report.exit_code == 0 and 1e-5 < lr < 5e-3
    assert {change.key for change in done.changes} == {"train.learning_rate"}
    assert [before for _, before in heard] == list(range(len(done.rounds))) and len(heard) >= 2
    assert "preparation" in heard[0][0] and "critical_lr" in heard[0][0]
    again = {"preparation", "critical_lr", "batch_stats", "role_derivation"} & heard[1][0]
    assert not again and "lr_comparison" in heard[1][0]
    assert done.backup is not None and "0.05" in done.backup.read_text() and "# sixty rows" in file.read_text()


def test_before_the_trial_what_needs_no_model_is_fixed_but_for_the_learning_rate(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of all rows makes every step of a trial dear, and its best learning rate is not that of the fixed run."""
    asked: list[tuple[str, Any]] = []

    def check_once(config: Config, evidence: Any, select: Any, ignore: Any, level: str, known: Any) -> Report:
        asked.append((level, config.train["learning_rate"]))
        found = []
        if config.train["learning_rate"] > 0.01:
            found.append(Finding("config-rate-unusual", Verdict.WARN, "hot", fix={"train.learning_rate": 0.002}))
        if config.train.get("gradient_accumulation_steps") != 2:
            found.append(Finding("y", Verdict.FAIL, "large", fix={"train.gradient_accumulation_steps": 2}))
        if level == "trial" and config.train["learning_rate"] > 0.002:
            found.append(Finding("curve-rate-beaten", Verdict.FAIL, "hot", fix={"train.learning_rate": 0.001}))
        return Report(found, level)

    monkeypatch.setattr("sanetune.workflows.fix.run_checks", check_once)
    done = correct(load(file), level="trial")
    assert [level for level, _ in asked] == ["static", "static", "trial", "static", "trial"]
    assert [lr for _, lr in asked] == [0.1, 0.1, 0.1, 0.001, 0.001]
    assert [one.key for one in done.rounds[0].changes] == ["train.gradient_accumulation_steps"]
    assert [(one.after, one.check) for one in done.rounds[1].changes] == [(0.001, "curve-rate-beaten")]
    assert done.report.level == "trial" and done.report.exit_code == 0


def test_the_last_check_is_as_deep_as_was_asked_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(range(100, 200))

    def check_once(config: Config, evidence: Any, select: Any, ignore: Any, level: str, known: Any) -> Report:
        return Report([Finding("y", Verdict.FAIL, "bad", fix={"train.seed": next(numbers)})], level)

    monkeypatch.setattr("sanetune.workflows.fix.run_checks", check_once)
    done = correct(load(file), level="trial")
    assert [one.report.level for one in done.rounds] == ["static"] * ROUNDS + ["trial"]


def test_a_learning_rate_that_a_later_check_measures_is_set_by_no_rule_of_thumb(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        f"model: {{name: {MODEL}}}\ndata: {{train: {TRAIN}, max_examples: 30, holdout: 0.1}}\n"
        "train: {learning_rate: 0.05}\n"
    )
    left, made = (
        [one.key for one in correct(load(file), level="static", select=["config-rate-unusual"], later=later).changes]
        for later in ("trial", "static")
    )
    assert "train.learning_rate" not in left and "train.learning_rate" in made
