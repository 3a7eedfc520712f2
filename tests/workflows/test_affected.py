"""A change is checked where a configuration reads what has changed, and a mistake in what was asked for is said."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sanetune.errors import RunError
from sanetune.workflows.affected import affected_by, changed_since, configurations

READ = """\
model: {name: models/mine, chat_template: chat.jinja}
data: {train: [a.jsonl, more/*.jsonl], validation: b.jsonl, replay: {path: general.jsonl, share: 0.1}}
train: {deepspeed: zero.json}
check: {keep: keep.jsonl}
run: {output_dir: out, evaluate: [tasks/mine.yaml]}
"""
FILES = (
    "chat.jinja",
    "a.jsonl",
    "more/x.jsonl",
    "b.jsonl",
    "general.jsonl",
    "zero.json",
    "keep.jsonl",
    "tasks/mine.yaml",
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in (*FILES, "models/mine/config.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "sanetune.yaml").write_text(READ)
    return tmp_path / "sanetune.yaml"


@pytest.mark.parametrize("name", [*FILES, "models/mine/tokenizer.json", "sanetune.yaml"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_file_that_a_configuration_reads_affects_it(config: Path, name: str, deleted: bool) -> None:
    if deleted and name != "sanetune.yaml":
        (config.parent / name).unlink(missing_ok=True)
    assert affected_by(config, [config.parent / name]) == [config.parent / name]


@pytest.mark.parametrize("name", ["c.jsonl", "out/config.yaml", "models/other/config.json", "general/x.jsonl"])
def test_another_file_does_not(config: Path, name: str) -> None:
    assert affected_by(config, [config.parent / name]) == []


@pytest.mark.parametrize("deleted", [False, True])
def test_the_list_of_data_sets_of_another_tool_affects_its_configurations(tmp_path: Path, deleted: bool) -> None:
    for name, text in (("data/dataset_info.json", '{"mine": {"file_name": "a.jsonl"}}'), ("data/a.jsonl", "{}"),
                       ("lf.yaml", "model_name_or_path: some/model\nstage: sft\ndataset: mine\ntemplate: chatml\n"),
                       ("other.json", "{}")):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    listed, config = tmp_path / "data/dataset_info.json", tmp_path / "lf.yaml"
    assert affected_by(config, [tmp_path / "other.json"]) == []
    if deleted:
        listed.unlink()
    assert affected_by(config, [listed]) == [listed]


@pytest.mark.parametrize("pattern", ["", "**.yaml", "../*.yaml", "/etc/*", "none.yaml"])
def test_a_pattern_that_fits_nothing_here_is_refused_in_words(config: Path, pattern: str) -> None:
    home = config.parent / "more"
    with pytest.raises(RunError, match="No configuration below"):
        configurations(home, [pattern])


def test_an_absolute_pattern_below_the_folder_is_one(config: Path) -> None:
    assert configurations(config.parent, [f"{config.parent}/*.yaml"]) == [config]


def test_what_git_says_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(RunError, match="since 'main': fatal: not a git repository"):
        changed_since("main", tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(RunError, match="since 'main': fatal: "):
        changed_since("main", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="git is not installed"):
        changed_since("main", tmp_path)
