"""The hash of prepared rows, by which a run that goes on knows that they are its own."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.data.rows_digest import rows_digest
from sanetune.demo import MODEL, TRAIN


def written(file: Path, rows: list[list[int]], size: int) -> Path:
    table = pa.table({"input_ids": pa.array(rows, pa.list_(pa.int32())), "length": [len(row) for row in rows]})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=size)
    return file


def test_rows_count_and_not_the_batches_of_their_file(tmp_path: Path) -> None:
    rows = [[1, 2, 3], [4], [5, 6]]
    whole, pieces = written(tmp_path / "a", rows, 3), written(tmp_path / "b", rows, 1)
    assert rows_digest({"train": whole}) == rows_digest({"train": pieces})
    for other in ([[1, 2], [3, 4], [5, 6]], [[4], [1, 2, 3], [5, 6]], [[1, 2, 3], [4], [5, 7]]):
        assert rows_digest({"train": written(tmp_path / "c", other, 3)}) != rows_digest({"train": whole})


def test_the_same_rows_prepared_by_other_code_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(TRAIN.read_text().splitlines(keepends=True)[:12]))
    settings = {"model": {"name": str(MODEL)}, "data": {"train": str(tmp_path / "rows.jsonl")}}
    found = []
    for version in ("one", "two"):
        monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / version))
        monkeypatch.setattr("sanetune.data.conversation_file.key_of", lambda parts, code=False, v=version: v * 8)
        found.append(prepare(load(settings)).fingerprint)
    assert found[0] == found[1]
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "three"))
    assert prepare(load(settings, ["data.holdout=0.4"])).fingerprint != found[0]
