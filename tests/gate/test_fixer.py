"""Fixes go into the user's file, comments kept, with a backup, until nothing more can be fixed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import ConfigError
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.fixer import ROUNDS, ConfigChange, fix, proposed
from tests.report import experiments_made

TEXT = """# my run
model:
  name: some/model  # the base
data:
  train: rows.jsonl
train:
  learning_rate: 0.1   # too hot
  warmup_ratio: 0.1
"""


def reports(*rounds: dict[str, Any]) -> Callable[[Config, list[str]], Report]:
    """Reports that propose these fixes, one after the other, then pass."""
    left = list(rounds)

    def check(config: Config, changed: list[str]) -> Report:
        if not left:
            return Report([Finding("config-rate-unusual", Verdict.PASS, "fine")])
        return Report([Finding("config-rate-unusual", Verdict.FAIL, "bad", fix=left.pop(0))])

    return check


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sanetune.yaml"
    path.write_text(TEXT)
    return path


def test_a_fix_changes_its_value_and_keeps_order_and_what_comments_are_about(file: Path) -> None:
    done = fix(load(file), (), reports({"train.learning_rate": 0.001}))
    text = file.read_text()
    assert load(file).train["learning_rate"] == 0.001
    assert text.startswith("# my run\n") and "# the base" in text
    assert "learning_rate: 0.001 # was 0.1 (too hot); changed by config-rate-unusual\n" in text
    assert text.index("model:") < text.index("data:") < text.index("train:\n")
    assert done.backup is not None and done.backup.read_text() == TEXT
    assert "-  learning_rate: 0.1" in done.diff and "+  learning_rate: 0.001" in done.diff
    assert done.report.verdict is Verdict.PASS
    assert len(done.rounds) == 2


def test_an_old_name_is_replaced_by_todays(file: Path) -> None:
    fix(load(file), (), reports({"train.warmup_steps": 0.1}))
    text = file.read_text()
    assert "warmup_ratio" not in text and "warmup_steps: 0.1" in text
    assert not load(file).renamed


def test_it_ends_when_nothing_can_be_fixed_and_says_so(file: Path) -> None:
    done = fix(load(file), (), lambda config, changed: Report([Finding("labels-none", Verdict.FAIL, "bad")]))
    assert (len(done.rounds), done.changes, done.backup) == (1, [], None)
    assert file.read_text() == TEXT
    assert list(file.parent.iterdir()) == [file]


def test_a_fix_that_does_not_help_is_not_tried_twice_and_rounds_are_bounded(file: Path) -> None:
    same = fix(
        load(file), (), lambda config, changed: Report([Finding("x", Verdict.FAIL, "bad", fix={"train.seed": 7})])
    )
    assert [(one.key, one.after) for one in same.changes] == [("train.seed", 7)]
    numbers = iter(range(100, 200))
    other = fix(
        load(file),
        (),
        lambda config, changed: Report([Finding("x", Verdict.FAIL, "bad", fix={"train.seed": next(numbers)})]),
    )
    assert len(other.rounds) == ROUNDS + 1


def test_keys_that_the_command_line_sets_are_left_alone(file: Path) -> None:
    done = fix(load(file, ["train.seed=5"]), ("train.seed=5",), reports({"train.seed": 7}))
    assert done.changes == []


def test_a_second_backup_does_not_replace_the_first(file: Path) -> None:
    first = fix(load(file), (), reports({"train.seed": 1}))
    second = fix(load(file), (), reports({"train.seed": 2}))
    assert first.backup != second.backup
    assert first.backup is not None and first.backup.read_text() == TEXT


def test_a_configuration_without_a_file_cannot_be_fixed() -> None:
    with pytest.raises(ConfigError, match="no file"):
        fix(load({"model": {"name": "m"}, "data": {"train": "d"}}), (), reports({"train.seed": 1}))


def finding(check: str, verdict: Verdict, **fix: Any) -> Finding:
    return Finding(check, verdict, "a message", fix={key.replace("__", "."): value for key, value in fix.items()})


def keys(*findings: Finding, config: Config, before: list[ConfigChange] | None = None) -> dict[str, object]:
    """The changes that a report with these findings proposes."""
    changes = proposed(Report(list(findings)), config, frozenset(), before or [])
    return {change.key: change.after for change in changes}


def test_a_run_that_is_clear_is_left_alone_but_for_old_names(file: Path) -> None:
    spike = finding("curve-spike", Verdict.WARN, train__learning_rate=0.03)
    assert keys(spike, config=load(file)) == {}
    renamed = finding("config-renamed-key", Verdict.WARN, train__warmup_steps=0.1)
    assert keys(spike, renamed, config=load(file)) == {"train.warmup_steps": 0.1}
    done = fix(load(file), (), lambda config, before: Report([spike]))
    assert (done.changes, done.report.exit_code, file.read_text()) == ([], 0, TEXT)


def test_a_comparison_on_held_out_rows_outranks_what_others_say_of_the_learning_rate(file: Path) -> None:
    best = finding("curve-rate-beaten", Verdict.PASS)
    spike = finding("curve-spike", Verdict.WARN, train__learning_rate=0.03)
    unusual = finding("config-rate-unusual", Verdict.FAIL, train__learning_rate=0.001, train__seed=3)
    assert keys(best, spike, unusual, config=load(file)) == {"train.seed": 3}
    beaten = finding("curve-rate-beaten", Verdict.FAIL, train__learning_rate=0.005)
    assert keys(beaten, spike, unusual, config=load(file)) == {"train.learning_rate": 0.005, "train.seed": 3}
    diverged = finding("curve-diverged", Verdict.FAIL, train__learning_rate=0.01)
    assert keys(best, diverged, config=load(file)) == {"train.learning_rate": 0.01}


def test_a_rename_gives_way_to_a_change_of_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(TEXT.replace("warmup_ratio: 0.1", "max_seq_length: 128"))
    renamed = finding("config-renamed-key", Verdict.WARN, train__max_length=128)
    dropped = finding("packs-dropped", Verdict.FAIL, train__max_length=512)
    for order in ((renamed, dropped), (dropped, renamed)):
        assert keys(*order, config=load(file)) == {"train.max_length": 512}
    rename = ConfigChange("train.max_length", 128, 128, "config-renamed-key", "")
    warned = finding("packs-dropped", Verdict.WARN, train__max_length=512)
    other = finding("labels-none", Verdict.FAIL)
    assert keys(warned, other, config=load(file), before=[rename]) == {"train.max_length": 512}
    small = finding("config-few-steps", Verdict.FAIL, train__gradient_accumulation_steps=1)
    assert "train.gradient_accumulation_steps" in keys(renamed, small, config=load(file)), "a rename changes no length"
    done = fix(load(file), (), reports({"train.max_length": 512}))
    assert "max_length: 512" in file.read_text() and "max_seq_length" not in file.read_text()
    assert done.report.verdict is Verdict.PASS


def trial(loss: float, *findings: Finding) -> Report:
    """A report with a trial that ends at this held-out loss."""
    made = experiments_made.full().to_json()
    for point in made["trial"]["curve"]["validation"][-1:]:
        point["loss"] = loss
    return Report(list(findings), experiments=made)


@pytest.mark.parametrize(("after", "kept"), [(1.0, True), (1.19, True), (1.3, False), (float("nan"), False)])
def test_a_change_that_makes_the_held_out_loss_worse_is_undone_and_said(file: Path, after: float, kept: bool) -> None:
    hot = finding("curve-diverged", Verdict.FAIL, train__learning_rate=0.001)
    answers = iter([trial(1.2, hot), trial(after, hot)])
    done = fix(load(file), (), lambda config, before: next(answers))
    assert load(file).train["learning_rate"] == (0.001 if kept else 0.1)
    assert bool(done.rounds[-1].undone) is not kept
    if not kept:
        assert file.read_text() == TEXT and not done.diff
        assert "train.learning_rate changed" in done.rounds[-1].undone and "1.200 before" in done.rounds[-1].undone
        assert done.report.experiments["trial"]["curve"]["validation"][-1]["loss"] == 1.2


def test_losses_of_other_rows_are_not_compared(file: Path) -> None:
    cut = finding("packs-dropped", Verdict.FAIL, train__max_length=512)
    answers = iter([trial(1.2, cut), trial(3.0, cut)])
    fix(load(file), (), lambda config, before: next(answers))
    assert load(file).train["max_length"] == 512
