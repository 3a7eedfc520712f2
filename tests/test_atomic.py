"""A file is written whole or not at all, and as JSON that every reader accepts."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from sanetune import atomic
from sanetune.errors import RunError
from sanetune.runs import Run


def refuse_constants(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")


def test_a_file_keeps_its_permissions_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("old")
    file.chmod(0o600)
    atomic.write_text(file, "new")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_former_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(RunError, match=r"a\.txt cannot be written: No space left") as caught:
        atomic.write_text(file, "new", "It matters.", "Free some space.")
    assert str(caught.value).endswith("It matters.\nFree some space.")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_where_the_file_should_be_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written"):
        atomic.write_bytes(tmp_path, b"")


def test_what_is_no_regular_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    atomic.write_text(pipe, "through")
    assert os.read(reader, 99) == b"through"
    os.close(reader)
    assert pipe.is_fifo()


def test_lone_surrogates_do_not_stop_a_file(tmp_path: Path) -> None:
    atomic.write_json(tmp_path / "a.json", {"text": "a\ud800b"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"text": "a?b"}


def test_the_files_of_a_run_that_diverged_are_json(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_json(run.samples, {"base_loss": math.nan, "lost": [math.inf, {"norm": -math.inf}], "where": tmp_path})
    text = run.samples.read_text()
    strict = json.loads(text, parse_constant=refuse_constants)
    assert strict == {"base_loss": "NaN", "lost": ["Infinity", {"norm": "-Infinity"}], "where": str(tmp_path)}
    assert math.isnan(float(str(atomic.restore_non_finite(run.read_json(run.samples)["base_loss"]))))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 0.0, 1.5])
def test_a_number_comes_back(number: float) -> None:
    again = atomic.restore_non_finite(json.loads(json.dumps(atomic.name_non_finite(number), allow_nan=False)))
    assert isinstance(again, float)
    assert again == number or (math.isnan(again) and math.isnan(number))
