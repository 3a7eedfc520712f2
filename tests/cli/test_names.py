"""Names that are not UTF-8 end every command with one message, and no traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main

ROW = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello there"}]}
BAD = os.fsdecode(b"d\xe9")


def refused(*words: str) -> None:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 2, done.output
    assert "d\\xe9" in done.output
    assert "is not UTF-8" in done.output
    assert "Rename" in done.output
    assert "Traceback" not in done.output


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    try:
        (tmp_path / BAD).mkdir()
    except OSError:
        pytest.skip("this file system takes no such names")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["data", "check", "launch", "plan", "train"])
def test_a_working_folder(place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / BAD / "a.yaml").write_text("model: {name: ./model}\ndata: {train: rows.jsonl}\n")
    monkeypatch.chdir(place / BAD)
    refused(command, "a.yaml", *(["--on", "slurm"] if command == "launch" else []))


def test_words_that_were_typed(place: Path) -> None:
    refused("init", "my model", f"{BAD}.jsonl")
    refused("auto", "my model", f"{BAD}.jsonl", "--dry-run")
    refused("diagnose", BAD)


def test_a_file_in_a_folder_of_data(place: Path) -> None:
    from sanetune.data.sources.find import files_of
    from sanetune.data.sources.source import Source
    from sanetune.errors import DataError

    (place / "nu").mkdir()
    (place / "nu" / f"{BAD}.jsonl").write_text(json.dumps(ROW) + "\n")
    for path in ("nu", "nu/*.jsonl"):
        with pytest.raises(DataError, match=r"nu/d\\xe9\.jsonl is not UTF-8"):
            files_of(Source(path=path))
