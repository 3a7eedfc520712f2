"""Compiled files of the libraries: what is said where there are none, and what is compiled."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from sanetune import bytecode


@pytest.fixture
def uncompiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in an image of a container: nothing is compiled, and nothing may be written."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(importlib.util, "cache_from_source", lambda path: str(tmp_path / "none.pyc"))


@pytest.mark.usefixtures("uncompiled")
def test_it_is_said_once_what_to_run(tmp_path: Path) -> None:
    assert bytecode.COMMAND in bytecode.advice_once(tmp_path / "cache")
    assert bytecode.advice_once(tmp_path / "cache") == ""


@pytest.mark.usefixtures("uncompiled")
def test_where_nothing_can_be_noted_it_is_said_each_time(tmp_path: Path) -> None:
    (file := tmp_path / "file").touch()
    assert bytecode.advice_once(file) == bytecode.advice_once(file) != ""


@pytest.mark.parametrize("kept_from_writing", [True, False])
def test_nothing_is_said_where_the_libraries_are_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_from_writing: bool
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", kept_from_writing)
    monkeypatch.setattr(importlib.util, "cache_from_source", lambda path: __file__)
    assert bytecode.advice_once(tmp_path / "cache") == ""
    assert not (tmp_path / "cache").exists()


def test_modules_are_imported_with_writing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(bytecode, "WHOLE", ())
    monkeypatch.setattr(importlib, "import_module", lambda name: seen.append((name, sys.dont_write_bytecode)))
    bytecode.compile_used()
    assert seen == [(name, False) for name in bytecode.USED]


def test_whole_packages_are_compiled_and_missing_ones_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (package := tmp_path / "somebodys_package").mkdir()
    for name in ("__init__", "part"):
        (package / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(bytecode, "USED", ())
    monkeypatch.setattr(bytecode, "WHOLE", ("somebodys_package", "not_installed", "not_installed.part"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    bytecode.compile_used()
    assert Path(importlib.util.cache_from_source(str(package / "part.py"))).exists()


@pytest.mark.parametrize("name", bytecode.USED)
def test_what_is_compiled_exists(name: str) -> None:
    assert importlib.util.find_spec(name) is not None
