"""The guide's snippets are configurations that clients read, and start the command as it is."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

pytest.importorskip("mcp", reason="pip install 'sanetune[mcp]'")

from sanetune.cli import main
from sanetune.mcp.server import TITLES
from tests.test_docs import blocks

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "mcp.md"
SNIPPETS = [json.loads(text) for _, text in blocks(GUIDE, "json")]
CLIENTS = [one for one in SNIPPETS if "mcpServers" in one or "servers" in one]


def test_there_is_a_snippet_for_each_client_and_transport() -> None:
    found = [("servers" if "servers" in one else "mcpServers", "url" in _server(one)) for one in CLIENTS]
    assert found == [
        ("mcpServers", False), ("mcpServers", False), ("servers", False), ("mcpServers", True), ("servers", True)
    ]  # fmt: skip


@pytest.mark.parametrize("snippet", CLIENTS)
def test_a_snippet_starts_or_reaches_the_server(snippet: dict[str, dict[str, dict[str, object]]]) -> None:
    server = _server(snippet)
    if "url" in server:
        assert server["url"] == "http://127.0.0.1:8765/mcp"
        headers = server["headers"]
        assert isinstance(headers, dict) and headers["Authorization"].startswith("Bearer ${")
        return
    arguments = server["args"]
    assert server["command"] == "sanetune" and isinstance(arguments, list)
    name, *words = arguments
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.make_context(name, list(words)).params["roots"]


def test_the_guide_names_every_tool() -> None:
    table = GUIDE.read_text(encoding="utf-8").partition("| tool |")[2].partition("\n\n")[0]
    assert {word for row in table.splitlines() for word in row.split("|")[1:2] for word in _names(word)} == set(TITLES)


def _names(cell: str) -> list[str]:
    return [part for part in cell.split("`")[1::2] if part]


def _server(snippet: dict[str, dict[str, dict[str, object]]]) -> dict[str, object]:
    return (snippet.get("servers") or snippet["mcpServers"])["sanetune"]
