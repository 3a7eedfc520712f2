"""A folder whose files are named after splits is read as those splits, and its test data is never trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.config.origin import OriginKind
from sanetune.config.schema import Config
from sanetune.config.split_names import split_of
from sanetune.data.conversation_file import read_sources
from sanetune.data.sources.find import files_of, left_out
from sanetune.data.sources.source import Source
from sanetune.errors import DataError

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Writes files of two rows each, and gives their folder."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))

    def with_files(*names: str) -> Path:
        for name in names:
            file = tmp_path / "data set" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = [{"prompt": f"{name} {number}", "completion": "x"} for number in range(2)]
            if name.endswith(".parquet"):
                import pyarrow as pa
                import pyarrow.parquet as pq

                pq.write_table(pa.Table.from_pylist(rows), file)
            else:
                file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return tmp_path / "data set"

    return with_files


def loaded(path: Path) -> Config:
    return load({"model": {"name": "owner/model"}, "data": {"train": str(path)}})


def prompts(config: Config) -> dict[str, set[str]]:
    from sanetune.data.cache import open_table
    from sanetune.data.conversation_table import conversations_of

    files = read_sources(config.data)
    return {
        split: {c.messages[0]["content"].split()[0] for c in conversations_of(open_table(one.file))}
        for split, one in files.items()
    }


@pytest.mark.parametrize(
    ("files", "train", "validation"),
    [
        (["train.jsonl", "validation.jsonl", "test.jsonl"], ["train.jsonl"], ["validation.jsonl"]),
        (["train.jsonl", "dev.jsonl", "test.jsonl"], ["train.jsonl"], ["dev.jsonl"]),
        (["train.jsonl", "valid.jsonl"], ["train.jsonl"], ["valid.jsonl"]),
        (["my_train.json", "my_eval.json"], ["my_train.json"], ["my_eval.json"]),
        (["train.jsonl", "test.jsonl"], ["train.jsonl"], None),
        (["rows.jsonl", "test.jsonl"], ["rows.jsonl"], None),
        (["train.jsonl", "more.jsonl", "val.jsonl"], ["more.jsonl", "train.jsonl"], ["val.jsonl"]),
        (["a.jsonl", "b.jsonl"], ["a.jsonl", "b.jsonl"], None),
        (
            [f"data/{name}-0000{n}-of-00002.parquet" for name in ("train", "validation", "test") for n in (0, 1)],
            [f"data/train-0000{n}-of-00002.parquet" for n in (0, 1)],
            [f"data/validation-0000{n}-of-00002.parquet" for n in (0, 1)],
        ),
        (["train/a.jsonl", "dev/b.jsonl", "test/c.jsonl"], ["train/a.jsonl"], ["dev/b.jsonl"]),
    ],
)
def test_a_folder_is_read_by_its_splits(
    files: list[str], train: list[str], validation: list[str] | None, folder: Folder
) -> None:
    config = loaded(folder(*files))
    expected = {"train": set(train)} | ({"validation": set(validation)} if validation else {})
    assert prompts(config) == expected
    again = load(config)
    assert again.data == config.data
    if validation:
        assert again.origins["data.validation"].kind is OriginKind.INFERRED


def test_test_data_is_left_out_by_patterns_too_and_said(folder: Folder) -> None:
    path = folder("train.jsonl", "val.jsonl", "test.jsonl")
    assert [file.name for file in files_of(Source(f"{path}/*.jsonl"))] == ["train.jsonl"]
    assert [file.name for file in left_out(Source(str(path)))] == ["test.jsonl", "val.jsonl"]
    assert [file.name for file in files_of(Source(f"{path}/test*.jsonl"))] == ["test.jsonl"], "asked for"
    assert files_of(Source(str(path / "test.jsonl"))), "asked for"
    assert left_out(Source(str(path / "test.jsonl"))) == []


def test_a_folder_with_test_data_alone_is_refused(folder: Folder) -> None:
    with pytest.raises(DataError, match=r"no training data: dev\.jsonl, test\.jsonl"):
        files_of(Source(str(folder("test.jsonl", "dev.jsonl"))))


def test_the_folder_that_is_named_for_validation_gives_its_validation_files(folder: Folder) -> None:
    path = str(folder("train.jsonl", "dev.jsonl", "test.jsonl"))
    config = load({"model": {"name": "owner/model"}, "data": {"train": path, "validation": path}})
    assert prompts(config) == {"train": {"train.jsonl"}, "validation": {"dev.jsonl"}}
    named = load({"model": {"name": "owner/model"}, "data": {"train": {"path": path, "split": "validation"}}})
    assert prompts(named)["train"] == {"dev.jsonl"}, "the name of a split stands for its other names"


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("squad-v2_DEV.json", "validation"),
        ("eval_set.csv", "validation"),
        ("test-00000-of-00001-0a1b.parquet", "test"),
        ("train_test_split.jsonl", None),
        ("trainer.jsonl", None),
        ("contest.jsonl", None),
        ("latest.jsonl", None),
    ],
)
def test_a_name_stands_for_a_split_by_whole_words(name: str, split: str | None) -> None:
    assert split_of(name) == split
