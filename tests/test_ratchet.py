"""Counts that may only shrink do so, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import ratchet


def test_more_and_fewer_places_are_both_named(tmp_path: Path) -> None:
    file = tmp_path / "x.counts"
    ratchet.write({"rule": {"a.py": ["line 1", "line 2"]}}, file)
    assert not ratchet.difference("rule", {"a.py": ["line 1", "line 2"]}, file, "command")
    assert "may have 2" in ratchet.difference("rule", {"a.py": ["1", "2", "3"]}, file, "command")
    assert "Run command" in ratchet.difference("rule", {"a.py": ["1"]}, file, "command")


def test_places_may_move_to_another_file_but_not_grow(tmp_path: Path) -> None:
    file = tmp_path / "x.counts"
    ratchet.write({"rule": {"a.py": ["line 1", "line 2"]}}, file)
    ratchet.write({"rule": {"b.py": ["line 1", "line 2"]}}, file)
    assert ratchet.read(file) == {"rule": {"b.py": 2}}
    with pytest.raises(SystemExit, match="may have 0"):
        ratchet.write({"rule": {"a.py": ["line 1", "line 2", "line 3"]}}, file)


def test_after_a_merge_the_smaller_count_holds(tmp_path: Path) -> None:
    file = tmp_path / "x.counts"
    file.write_text("rule\ta.py\t5\nrule\ta.py\t3\n")
    assert ratchet.read(file) == {"rule": {"a.py": 3}}
