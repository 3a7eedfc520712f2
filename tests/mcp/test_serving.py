"""The tool verify: what it sends where, before anything is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.errors import ConfigError, UserError
from sanetune.mcp.call import Call
from sanetune.mcp.progress import ProgressFile
from sanetune.mcp.roots import Roots
from sanetune.mcp.serving import verify


def call(home: Path, **arguments: object) -> Call:
    return Call(home.parent, {"run": "run", **arguments}, Roots([home]), ProgressFile(home.parent / "progress.json"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home" / "run").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize(
    "endpoint",
    ["http://elsewhere.example/v1", "http://127.0.0.1@elsewhere.example", "//127.0.0.1.elsewhere.example", "x"],
)
def test_rows_are_sent_to_no_other_machine(home: Path, endpoint: str) -> None:
    with pytest.raises(ConfigError, match="not on this machine"):
        verify(call(home, endpoint=endpoint))


def test_a_file_outside_of_the_roots_and_nothing_to_compare_with_are_refused(home: Path) -> None:
    with pytest.raises(UserError, match="outside of the folders"):
        verify(call(home, gguf="../model.gguf"))
    with pytest.raises(ConfigError, match="Neither a server nor a file"):
        verify(call(home))
