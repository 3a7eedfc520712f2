"""`sanetune mcp`: what it says before it serves."""

from __future__ import annotations

import importlib.util
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = CliRunner().invoke(main, ["mcp"])
    assert done.exit_code == 2
    assert "needs the package mcp" in done.stderr
    assert "pip install 'sanetune[mcp]'" in done.stderr
    assert "Traceback" not in done.output


def test_a_root_that_is_no_folder_a_weak_token_and_a_port_without_http_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mcp")
    monkeypatch.setenv("SANETUNE_MCP_TOKEN", "short")
    for words, said in (
        (["--root", str(tmp_path / "none")], "There is no folder"),
        (["--root", str(tmp_path), "--http"], "fewer than 16 characters"),
        (["--port", "8000"], "--port is for --http"),
    ):
        done = CliRunner().invoke(main, ["mcp", *words])
        assert (done.exit_code, said in done.stderr) == (2, True), done.output


def test_a_port_that_is_taken_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mcp")
    monkeypatch.setenv("SANETUNE_MCP_TOKEN", "long enough a token")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(main, ["mcp", "--root", str(tmp_path), "--http", "--port", port])
    assert done.exit_code == 2
    assert f"Port {port} of 127.0.0.1 cannot be listened on" in done.stderr
