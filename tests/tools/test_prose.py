"""What counts as prose: docstrings, comments, messages and paragraphs, without code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import grammar, prose


def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> list[tuple[int, str, str]]:
    monkeypatch.setattr(prose, "HOME", tmp_path)
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return sorted((one.line, one.kind, one.text.strip()) for one in prose.passages(file))


def test_prose_of_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '"""Reads ``x``."""\nkey = "some_key"  # a reason\nraise ValueError(f"no rows in {key}")\n'
    found = texts(tmp_path, monkeypatch, "sanetune/x.py", text)
    assert found == [(1, "docstring", "Reads ·."), (2, "comment", "a reason"), (3, "message", "no rows in")]
    assert not [one for one in texts(tmp_path, monkeypatch, "tests/x.py", text) if one[1] == "message"]


def test_prose_of_markdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# Title\n\n```yaml\nkey: value\n\nmore: x\n```\n\nA [link](https://example.org) and `code`.\n"
    lines = {one[0]: one[2] for one in texts(tmp_path, monkeypatch, "x.md", text)}
    assert lines[1] == "# Title"
    assert lines[9] == "A [link]· and ·."
    assert not any("key" in line or "more" in line for line in lines.values())


def test_grammar_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("proselint")
    from proselint.checks import __register__
    from proselint.registry import CheckRegistry

    CheckRegistry().register_many(__register__)
    monkeypatch.setattr(prose, "HOME", tmp_path)
    file = tmp_path / "x.md"
    file.write_text("# Title\n\nFine words.\n\nThe loss falls in in the end.\n")
    assert [line for line, _ in grammar.faults(file)] == [5]
