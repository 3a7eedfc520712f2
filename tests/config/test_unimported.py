"""What is read from the text of a library's files is what importing them gives."""

from __future__ import annotations

import enum
from pathlib import Path

import pytest

from sanetune.config import trl_fields, unimported


def test_the_keys_of_sftconfig_are_those_of_the_imported_class() -> None:
    read, imported = trl_fields.fields(), trl_fields.imported_fields()
    assert list(read) == list(imported)
    for name, annotation in imported.items():
        assert trl_fields.words_for(read[name]) == trl_fields.words_for(annotation), name
        assert trl_fields._members(read[name]) == trl_fields._members(annotation), name
        assert trl_fields._takes_none(name) == (type(None) in trl_fields._parts(annotation)), name


def test_the_defaults_of_sftconfig_are_those_of_the_imported_class() -> None:
    imported = trl_fields.imported_defaults()
    for name, value in imported.items():
        assert trl_fields.default_of(name) == (value.value if isinstance(value, enum.Enum) else value), name


def test_only_what_running_the_file_decides_is_left_to_the_import() -> None:
    unread = [name for name, one in trl_fields._read().items() if one.default is unimported.UNREADABLE]
    assert set(unread) <= {"optim"}


@pytest.mark.parametrize(
    "text",
    [
        "class A(Base):\n    one: int = 1\n",
        "class A:\n    one: open('x') = 1\n",
        "class A:\n    one: Unknown = 1\n",
        "class B:\n    one: int = 1\n",
        "class A(\n",
    ],
)
def test_what_the_text_does_not_tell_is_a_lookup_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.py"
    file.write_text(text)
    with pytest.raises(LookupError):
        unimported.dataclass_fields({"A": file}, "A", {})


def test_nothing_of_a_file_runs(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text("raise SystemExit\nclass A:\n    one: int = field(default=2)\n    two: str = compute()\n")
    read = unimported.dataclass_fields({"A": file}, "A", {})
    assert read["one"] == unimported.ReadField(int, 2)
    assert read["two"].default is unimported.UNREADABLE
