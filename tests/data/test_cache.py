"""The cache of prepared data, with several processes at it at once."""

from __future__ import annotations

from pathlib import Path

from sanetune.data.cache import replacing


def test_what_another_process_has_put_there_meanwhile_stays_for_it_reads_from_it(tmp_path: Path) -> None:
    folder = tmp_path / "splits"
    with replacing(folder) as mine:
        (mine / "rows").write_text("mine")
        with replacing(folder) as other:
            (other / "rows").write_text("other")
        inode = (folder / "rows").stat().st_ino
    assert (folder / "rows").stat().st_ino == inode and (folder / "rows").read_text() == "other"
    assert [path.name for path in tmp_path.iterdir()] == ["splits"]


def test_what_was_there_before_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "splits"
    for text in ("damaged", "whole"):
        with replacing(folder) as scratch:
            (scratch / "rows").write_text(text)
    assert (folder / "rows").read_text() == "whole"
