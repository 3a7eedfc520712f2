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
from sanetune.gate.fixer import ROUNDS, fix

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


def test_a_fix_changes_its_value_and_keeps_comments_and_order(file: Path) -> None:
    done = fix(load(file), (), reports({"train.learning_rate": 0.001}))
    text = file.read_text()
    assert load(file).train["learning_rate"] == 0.001
    assert text.startswith("# my run\n") and "# the base" in text and "# too hot" in text
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
