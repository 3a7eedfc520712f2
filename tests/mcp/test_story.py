"""A scripted agent takes a broken configuration to a cleared, trained run, by what the replies say alone."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

pytest.importorskip("mcp", reason="pip install 'sanetune[mcp]'")

import httpx2

from tests.mcp.story import Agent, Values, client_of, end_jobs, http, stdio, values_of, write_broken

TOKEN = "a token of this test alone"


def test_an_agent_goes_from_a_broken_configuration_to_a_trained_run_by_findings_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "home"
    home.mkdir()
    try:
        anyio.run(_story, home, write_broken(home))
    finally:
        end_jobs(tmp_path / "cache")


async def _story(home: Path, config: Path) -> None:
    async with stdio(home) as client:
        await _cleared(Agent(client, config), home)
    # Another server with the same roots, over the other transport: nothing of the first one is left but files.
    async with http(home, TOKEN) as address:
        await _other_tokens_are_refused(address)
        async with client_of(address, TOKEN) as client:
            await _trained(Agent(client, config))
            await _stopped_and_killed(Agent(client, config), home)


async def _cleared(agent: Agent, home: Path) -> None:
    early = await agent.call("train", config=agent.config, wait_seconds=300)
    assert early["failed"]
    assert _error(early)["kind"] == "GateError"
    assert "no clearance" in str(_error(early)["message"])
    assert not (home / "run" / "metrics.jsonl").exists()

    static = await agent.repair("static")
    assert agent.verdicts[:2] == ["fail", "fail"]
    assert not static["cleared"]  # level static is less than check.level
    assert agent.fixed.keys() == {"train.learning_rate", "data.markup", "data.train", "data.validation"}
    text = Path(agent.config).read_text(encoding="utf-8")
    assert "# A first try." in text and "as in the other project" in text

    cleared = await agent.repair("probe")
    assert cleared["cleared"], cleared["findings"]
    assert any(len(call) > 5 for call in agent.progress)
    assert all(first < second for call in agent.progress for first, second in pairwise(call))


async def _trained(agent: Agent) -> None:
    begun = await agent.call("train", config=agent.config)
    assert begun["error"] is None, begun
    over = values_of(await agent.client.call_tool("status", {"job": begun["job"], "wait_seconds": 300}))
    assert over["state"] == "finished", over
    run = values_of(await agent.client.call_tool("status", {"run": "run"}))["run"]
    assert isinstance(run, dict)
    assert (run["phase"], run["step"], run["cleared"]) == ("finished", run["total_steps"], True)
    assert run["validation_loss"] < 0.9 * run["first_validation_loss"]
    jobs = values_of(await agent.client.call_tool("status", {}))["jobs"]
    assert isinstance(jobs, list)
    assert {"check", "fix", "train"} <= {job["tool"] for job in jobs}
    card = await agent.client.read_resource(str(run["card"]))
    assert "\n# run\n" in card.contents[0].text  # type: ignore[union-attr]
    whole = await agent.client.read_resource(str(next(job["job"] for job in jobs if job["tool"] == "check")).join(
        ("sanetune://jobs/", "/report")
    ))  # fmt: skip
    assert '"schema": 1' in whole.contents[0].text  # type: ignore[union-attr]


async def _stopped_and_killed(agent: Agent, home: Path) -> None:
    """Stop ends a training as SIGTERM does; one that is killed ends neither the server nor what is known of it."""
    long = ["train.num_train_epochs=500", "run.output_dir=long", "check.level=static", "train.save_steps=400"]
    long += ["train.eval_strategy=no"]
    assert (await agent.call("check", config=agent.config, overrides=long))["cleared"]
    begun = await agent.begin(overrides=long)
    ended = values_of(await agent.client.call_tool("stop", {"job": begun["job"], "wait_seconds": 120}))
    assert (ended["state"], ended["signal"]) == ("stopped", "SIGTERM"), ended
    assert isinstance(ended["run"], dict) and ended["run"]["phase"] == "interrupted"
    assert list((home / "long" / "checkpoints").glob("checkpoint-*"))

    again = await agent.begin(overrides=long, resume=True)
    found = list((home.parent / "cache" / "mcp").glob(f"*/{again['job']}/process.json"))
    os.kill(int(found[0].read_text().split('"pid":')[1].split(",")[0]), signal.SIGKILL)
    dead = values_of(await agent.client.call_tool("status", {"job": again["job"], "wait_seconds": 60}))
    assert dead["state"] == "died" and _error(dead)["kind"] == "Crash"
    gone = values_of(await agent.client.call_tool("status", {"run": "long"}))["run"]
    assert isinstance(gone, dict) and gone["phase"] == "gone"
    assert values_of(await agent.client.call_tool("explain", {"check": "rows-leaked"}))["pages"]


async def _other_tokens_are_refused(address: str) -> None:
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accepted = {"Accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient() as web:
        for headers in ({}, {"Authorization": "Bearer another token"}, {"Authorization": f"Basic {TOKEN}"}):
            assert (await web.post(address, json=ask, headers=accepted | headers)).status_code == 401
        own = accepted | {"Authorization": f"Bearer {TOKEN}"}
        rebound = await web.post(address, json=ask, headers=own | {"Host": "elsewhere.example"})
        assert rebound.status_code == 421  # a page elsewhere whose name was made to point here


def _error(found: Values) -> Values:
    error = found["error"]
    assert isinstance(error, dict), found
    return error
