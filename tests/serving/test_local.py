"""A server that is started here is found however it writes its address, and one that ends says why."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from sanetune.errors import ModelError
from sanetune.serving import gguf_splits, local


def started(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize(
    "written",
    [
        "os.write(1, b'load: 1\\nlistening http://127.0.0.1:8000\\n')",  # two lines in one piece
        "os.write(1, b'listening http://'); time.sleep(0.2); os.write(1, b'127.0.0.1:8000\\n')",
    ],
)
def test_the_address_is_read_whatever_lines_and_pieces_it_comes_in(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "START", 5.0)
    process = started(f"import os, sys, time; {written}; sys.stdin.read()")
    try:
        assert local._address(process, io.StringIO(), Path("a.gguf")) == "http://127.0.0.1:8000"
    finally:
        local._end(process)


def test_a_process_that_ends_is_an_error_with_its_last_words() -> None:
    process = started("raise SystemExit(1)")
    log = "loading\n0.02 E llama_model_load: error loading model: no tensor\n0.03 E srv init: failed to load model\n"
    with pytest.raises(ModelError, match=r"cannot run a\.gguf: no tensor\."):
        local._address(process, io.StringIO(log), Path("a.gguf"))
    assert process.returncode == 1


def test_the_installed_llama_cpp_itself_is_asked_which_ways_of_splitting_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("xllamacpp")
    monkeypatch.setattr(gguf_splits, "KNOWN", frozenset(("foo", "smollm")))  # what is known here is not what counts
    gguf_splits.require_split("qwen2")
    with pytest.raises(ModelError, match=r"refuses it: .*unknown pre-tokenizer type: 'foo'"):
        gguf_splits.require_split("foo")
    monkeypatch.setattr(gguf_splits, "refused_by_llama_cpp", lambda name: None)
    gguf_splits.require_split("foo")
    with pytest.raises(ModelError, match="Did you mean smollm"):
        gguf_splits.require_split("smolm")
