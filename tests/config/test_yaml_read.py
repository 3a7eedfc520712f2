"""Reading YAML: what is refused, and that nothing ends in a traceback."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.errors import UserError
from tests.config.sources import refusal

BAD = {
    "empty": ("", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "a list": ("- model\n- data\n", "is a list"),
    "a word": ("hello\n", "not sections"),
    "broken": ("model:\n  name: [a, b\ndata: x\n", "no valid YAML"),
    "tabs": ("model:\n\tname: m\n", "no valid YAML"),
    "twice": ("model:\n  name: a\n  name: b\n", "duplicate key"),
    "section twice": ("model:\n  name: a\nmodel:\n  name: b\n", "duplicate key"),
    "a section that is text": ("model: gpt2\ndata:\n  train: d\n", "not a mapping"),
    "a section that is a list": ("model:\n  - name\ndata:\n  train: d\n", "not a mapping"),
    "a python tag": ("model: !!python/object/apply:os.system ['true']\ndata:\n  train: d\n", "tag"),
    "a tagged value": ("model:\n  name: !secret x\ndata:\n  train: d\n", "not understood"),
    "a number as key": ("model:\n  1: x\ndata:\n  train: d\n", "not a name"),
    "two documents": ("model:\n  name: m\n---\nmodel:\n  name: n\n", "no valid YAML"),
    "no model": ("data:\n  train: d\n", "'model' is missing"),
    "no name": ("model:\n  dtype: bf16\ndata:\n  train: d\n", "model.name is missing"),
    "no data": ("model:\n  name: m\n", "'data' is missing"),
    "an alias to itself": ("model: &a\n  name: *a\ndata:\n  train: d\n", "model.name is"),
    "deep": ("model: " + "[" * 3000 + "]" * 3000, "nested"),
    "a null byte": ("model:\n  name: \0\n", "not allowed"),
    "a date": ("model:\n  name: 2024-01-01\ndata:\n  train: d\n", "not understood"),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_meant_is_reported_clearly(write, text, says) -> None:
    error = refusal(write(text))
    assert says in str(error)
    assert error.place is not None
    assert error.place.file


def test_a_section_that_is_there_twice_names_both_lines_and_says_merge(write) -> None:
    error = refusal(write("train: # fast\n  seed: 1\nmodel:\n  name: m\ntrain:\n  max_steps: 3\n"))
    assert "duplicate key train: it is in lines 1 and 5" in error.message and error.place.line == 5
    assert "Merge" in error.remedy and "{" not in str(error)
    error = refusal(write("model:\n  - name: a\n    dtype: x\n    name: b\n"))
    assert "lines 2 and 4" in error.message and error.remedy == "Delete one of them."
    assert "duplicate key a: it is in line 1, and before it" in refusal(write("model: {a: 1, a: 2}\n")).message


def test_a_tab_is_said_to_be_one(write) -> None:
    error = refusal(write("model:\n\tname: m\n"))
    assert error.place.line == 2 and "spaces in place of the tab" in error.remedy
    assert "tab" not in refusal(write("model:\n  name: [a, b\ndata: x\n")).remedy


def test_a_yaml_bomb_is_stopped(write) -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    assert "unfolds" in refusal(write("\n".join(lines))).message


def test_missing_file_folder_and_wrong_encoding(tmp_path: Path) -> None:
    assert "there is no configuration file" in refusal(tmp_path / "none.yaml").message
    assert "is a folder" in refusal(tmp_path).message
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"model:\n  name: caf\xe9\n")
    error = refusal(file)
    assert ("UTF-8" in error.message, error.place.line) == (True, 2)
    (tmp_path / "big.yaml").write_bytes(b"#" * 2_000_000)
    assert "larger than" in refusal(tmp_path / "big.yaml").message


@given(st.text(max_size=200))
def test_no_text_whatever_ends_in_a_traceback(text: str) -> None:
    from sanetune.config.yaml_read import parse

    with contextlib.suppress(UserError):
        parse(text, "x.yaml")
