"""What a client finds: tools with schemas, resources, prompts; and what it is told where something is wrong."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

pytest.importorskip("mcp", reason="pip install 'sanetune[mcp]'")

from jsonschema import Draft202012Validator
from mcp import Client, MCPError

from sanetune.cli import COMMANDS
from sanetune.gate.catalogue import catalogue
from sanetune.mcp.answering import REPLIES
from sanetune.mcp.jobs import Jobs
from sanetune.mcp.roots import Roots
from sanetune.mcp.server import READING, TITLES, build
from sanetune.mcp.work import WORK
from tests.mcp.story import values_of

Ask = Callable[[Callable[[Client], Awaitable[None]]], None]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Runs a function of a client of a server whose root is ``tmp_path/home``."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "home").mkdir()
    roots = Roots([tmp_path / "home"])
    server = build(roots, Jobs(roots))

    def run(function: Callable[[Client], Awaitable[None]]) -> None:
        async def connected() -> None:
            async with Client(server) as client:
                await function(client)

        anyio.run(connected)

    return run


def test_every_tool_has_schemas_a_description_and_says_whether_it_changes_anything(ask: Ask) -> None:
    async def asked(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools.keys() == TITLES.keys()
        assert set(TITLES) - {"status", "stop"} <= set(COMMANDS) | {"fix"}  # a tool is called as its command
        for name, tool in tools.items():
            assert tool.description and tool.title
            assert tool.annotations is not None and tool.annotations.read_only_hint == (name in READING)
            Draft202012Validator.check_schema(tool.input_schema)
            assert tool.input_schema["additionalProperties"] is False
            assert tool.output_schema is not None and {"state", "error", "next"} <= set(
                tool.output_schema["properties"]
            )
            assert not {"ctx", "self"} & set(tool.input_schema["properties"])

    ask(asked)
    assert WORK.keys() == REPLIES.keys() == TITLES.keys() - {"status", "stop", "explain"}


def test_check_pages_are_resources_and_a_tool(ask: Ask) -> None:
    async def asked(client: Client) -> None:
        listed = await client.read_resource("sanetune://checks")
        assert all(name in listed.contents[0].text for name in catalogue())  # type: ignore[union-attr]
        page = await client.read_resource("sanetune://checks/rows-leaked")
        found = values_of(await client.call_tool("explain", {"check": "rows-leaked"}))
        assert found["pages"] == {"rows-leaked": page.contents[0].text}  # type: ignore[union-attr]
        family = values_of(await client.call_tool("explain", {"check": "labels"}))["pages"]
        assert isinstance(family, dict) and len(family) > 3
        wrong = await client.call_tool("explain", {"check": "rows-leeked"})
        assert wrong.is_error and "Did you mean rows-leaked" in wrong.content[0].text  # type: ignore[union-attr]

    ask(asked)


@pytest.mark.parametrize(
    "uri",
    [
        "sanetune://runs/../outside/card",
        "sanetune://runs//etc/card",
        "sanetune://runs/link/card",
        "sanetune://jobs/none/report",
        "sanetune://jobs/../report",
        "sanetune://checks/none",
    ],
)
def test_a_resource_that_is_none_or_outside_is_refused(ask: Ask, tmp_path: Path, uri: str) -> None:
    outside = tmp_path / "outside"
    (outside / "model").mkdir(parents=True)
    for file in (outside / "config.yaml", outside / "model" / "README.md"):
        file.write_text("secret")
    (tmp_path / "home" / "link").symlink_to(outside)

    async def asked(client: Client) -> None:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
        assert "secret" not in str(refused.value)

    ask(asked)


def test_prompts_tell_the_protocol(ask: Ask) -> None:
    async def asked(client: Client) -> None:
        prompts = {prompt.name: prompt for prompt in (await client.list_prompts()).prompts}
        assert prompts.keys() == {"fine_tune", "repair", "watch"}
        given = {"model": "models/a", "data": "rows.jsonl", "goal": "short answers"}
        text = (await client.get_prompt("fine_tune", given)).messages[0].content.text  # type: ignore[union-attr]
        assert "Fine-tune models/a on rows.jsonl. The goal: short answers." in text
        assert all(f"{word}" in text for word in ("check", "fix", "train", "compare", "Do not lower limits"))

    ask(asked)


def test_what_is_wrong_with_a_call_comes_back_with_what_to_do(ask: Ask) -> None:
    async def asked(client: Client) -> None:
        for tool, arguments, said in (
            ("status", {"job": "none"}, "There is no job"),
            ("status", {"run": "../.."}, "outside of the folders"),
            ("status", {"run": "none"}, "There is no run folder"),
            ("stop", {}, "no job of this server"),
        ):
            found = await client.call_tool(tool, arguments)
            error = values_of(found)["error"]
            assert found.is_error and isinstance(error, dict)
            assert said in error["message"] and error["remedy"]
        assert values_of(await client.call_tool("status", {}))["jobs"] == []
        assert (await client.call_tool("check", {})).is_error  # config is missing: the schema says so
        unknown = await client.call_tool("check", {"config": "a.yaml", "levels": "static"})
        assert unknown.is_error and "levels" in unknown.content[0].text  # type: ignore[union-attr]

    ask(asked)


def test_the_files_of_a_run_may_be_no_links_that_lead_out(ask: Ask, tmp_path: Path) -> None:
    run = tmp_path / "home" / "run"
    run.mkdir()
    (tmp_path / "secret").write_text("secret\n")
    (run / "config.yaml").write_text("")
    (run / "metrics.jsonl").symlink_to(tmp_path / "secret")

    async def asked(client: Client) -> None:
        found = await client.call_tool("status", {"run": "run"})
        assert found.is_error and "outside of the folders" in found.content[0].text  # type: ignore[union-attr]

    ask(asked)


def test_a_run_that_this_server_does_not_train_is_not_stopped(ask: Ask, tmp_path: Path) -> None:
    """A state file may be anybody's: no process is ended because a file in a root names it."""
    run = tmp_path / "home" / "run"
    run.mkdir()
    (run / "state.json").write_text(f'{{"phase": "running", "began": "", "changed": "", "process": {os.getpid()}}}')

    async def asked(client: Client) -> None:
        found = await client.call_tool("stop", {"run": "run"})
        assert found.is_error and "no job of this server" in found.content[0].text  # type: ignore[union-attr]

    ask(asked)
