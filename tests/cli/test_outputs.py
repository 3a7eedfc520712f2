"""A file that is written never takes the place of an input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.errors import RunError
from sanetune.workflows.outputs import require_baseline_or_new

ROW = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello there"}]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    text = "model: {name: ./model}\ndata: {train: [rows.jsonl, more]}\n"
    (tmp_path / "a.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize("option", ["--write-baseline", "--json", "--sarif", "--junit", "--html"])
@pytest.mark.parametrize("name", ["rows.jsonl", "a.yaml", "more/rows.jsonl", "more/new.json"])
def test_no_output_of_check_replaces_an_input_or_becomes_part_of_one(place: Path, option: str, name: str) -> None:
    file = place / name
    before = file.read_bytes() if file.exists() else None
    done = CliRunner().invoke(main, ["check", "a.yaml", option, name])
    assert done.exit_code == 2
    assert f"{option} {name} would be written" in done.output
    assert (file.read_bytes() if file.exists() else None) == before


def test_another_command_does_not_either(place: Path) -> None:
    done = CliRunner().invoke(main, ["data", "a.yaml", "--json", "./rows.jsonl"])
    assert done.exit_code == 2
    assert "what data.train names" in done.output


def test_a_baseline_replaces_nothing_but_a_baseline(tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    for text in ('{"mine": 1}', "words", '{"schema": 1, "findings": []}'):
        file.write_text(text)
        with pytest.raises(RunError, match="no baseline"):
            require_baseline_or_new(file)
    for text in ("", '{"schema": 1, "findings": {}}'):
        file.write_text(text)
        require_baseline_or_new(file)
    require_baseline_or_new(tmp_path / "new.json")


@pytest.mark.parametrize("option", ["--price", "--out"])
def test_what_is_for_an_export_is_refused_without_one(place: Path, option: str) -> None:
    done = CliRunner().invoke(main, ["data", "a.yaml", option, "1"])
    assert done.exit_code == 2
    assert f"{option} is for --export" in done.output


def test_verify_says_that_the_run_is_missing_before_it_asks_for_the_file(place: Path) -> None:
    done = CliRunner().invoke(main, ["verify", "runs/none", "--gguf", "x.gguf"])
    assert done.exit_code == 2
    assert "There is no run folder runs/none" in done.output
