"""Paths: what a relative one starts from, and what a run is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.config import load
from sanetune.config.paths import resolve
from tests.config.sources import LEAST


@pytest.mark.parametrize(
    ("key", "text", "want"),
    [
        ("model.name", "owner/model", "owner/model"),
        ("model.name", "./model", "first/model"),
        ("model.chat_template", "chatml", "chatml"),
        ("model.chat_template", "mine.jinja", "first/mine.jinja"),
        ("model.chat_template", "{{ messages }}.jinja", "{{ messages }}.jinja"),
        ("data.train", "rows/*.jsonl", "first/rows/*.jsonl"),
        ("data.train", "there.jsonl", "second/there.jsonl"),
        ("run.output_dir", "out", "first/out"),
        ("run.output_dir", " ", " "),
    ],
)
def test_what_looks_like_a_path_becomes_absolute(tmp_path: Path, key: str, text: str, want: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / "there.jsonl").touch()
    found = resolve(key, text, [first, second])
    assert found == (str(tmp_path / want) if want.startswith(("first", "second")) else want)


@pytest.mark.parametrize(("file", "name"), [("mine.yaml", "mine"), ("config.yaml", "model")])
def test_a_run_is_called_after_its_file_or_its_model(write, tmp_path: Path, file: str, name: str) -> None:
    config = load(write("model:\n  name: owner/model\ndata:\n  train: d\n", file))
    assert (config.run.name, config.run.output_dir) == (name, str(tmp_path / "runs" / name))
    assert config.origins["run.name"].kind == "inferred"
    assert load(LEAST | {"run": {"name": "a b/c"}}).run.output_dir == str(Path.cwd() / "runs" / "a-b-c")


def test_paths_start_from_the_file(write, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    (tmp_path / "model").mkdir()
    file = write("model:\n  name: model\ndata:\n  train: [rows.jsonl, later.jsonl, owner/dataset]\n")
    config = load(file)
    assert config.model.name == str(tmp_path / "model")
    assert [one.path for one in config.data.train] == [
        str(tmp_path / "rows.jsonl"),
        str(tmp_path / "later.jsonl"),
        "owner/dataset",
    ]
    assert config.run.output_dir == str(tmp_path / "runs" / "mine")


def test_paths_in_overrides_start_from_the_current_folder(write, tmp_path: Path, monkeypatch) -> None:
    here = tmp_path / "elsewhere"
    here.mkdir()
    (here / "rows.jsonl").write_text("{}\n")
    file = write("model:\n  name: m\ndata:\n  train: other.jsonl\n")
    monkeypatch.chdir(here)
    config = load(file, ["data.train=rows.jsonl", "run.output_dir=out"])
    assert config.data.train[0].path == str(here / "rows.jsonl")
    assert config.run.output_dir == str(here / "out")
