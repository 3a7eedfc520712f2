from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.errors import RunError
from sanetune.runs import Run


def remedy(path: Path) -> str:
    with pytest.raises(RunError) as caught:
        Run.open(path)
    return caught.value.remedy


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs in `runs`, which is in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        Run.create(tmp_path / "runs" / name).write_versions("cpu")
    return Path("runs")


def test_a_folder_of_runs_is_answered_with_them(runs: Path) -> None:
    assert "runs/first" in remedy(runs) and "runs/second" in remedy(runs)


def test_a_configuration_is_answered_with_the_runs_beside_it(runs: Path) -> None:
    Path("c.yaml").write_text("")
    with pytest.raises(RunError, match="a configuration, not the folder of a run") as caught:
        Run.open(Path("c.yaml"))
    assert "runs/first" in caught.value.remedy


def test_a_file_of_a_run_is_answered_with_that_run(runs: Path) -> None:
    assert remedy(runs / "second/versions.json") == "Give runs/second."


@pytest.mark.parametrize("wrong", ["runs/firstx", "first", "firstx"])
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(runs: Path, wrong: str) -> None:
    assert remedy(Path(wrong)) == "Did you mean runs/first?"


def test_a_name_like_none_is_answered_with_where_runs_are(runs: Path) -> None:
    assert "runs/NAME" in remedy(Path("zzz"))
