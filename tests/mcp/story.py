"""A folder with a broken configuration, and a scripted agent that knows nothing but what replies say."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from sanetune.demo import MODEL, TRAIN, VALIDATION
from sanetune.mcp.job_folder import Job

Values = dict[str, object]

YAML = """\
# A first try.
model:
  name: model
data:
  train: train.jsonl
  validation: validation.jsonl
train:
  learning_rate: 0.5  # as in the other project
  num_train_epochs: 2
  per_device_train_batch_size: 16
  gradient_accumulation_steps: 1
  evaluation_strategy: steps
  eval_steps: 4
  save_steps: 4
  logging_steps: 1
check:
  level: probe
  ignore: [model-rate-critical]
  keep: "off"
run:
  output_dir: run
  trackers: []
  samples: 0
"""


def write_broken(home: Path) -> Path:
    """Write rows that were rendered before (so that prompts are in the loss), of which some are in both splits, and a
    configuration with a learning rate a thousand times too high and an old key; return the configuration."""
    rows, others = (
        [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] for file in (TRAIN, VALIDATION)
    )
    write_rows(home / "train.jsonl", rows[:120])
    write_rows(home / "validation.jsonl", [*others[:20], *rows[:4]])
    shutil.copytree(MODEL, home / "model")
    file = home / "sanetune.yaml"
    file.write_text(YAML, encoding="utf-8")
    return file


def write_rows(file: Path, rows: list[Values]) -> None:
    file.write_text("".join(json.dumps({"text": _rendered(row)}) + "\n" for row in rows), encoding="utf-8")


def _rendered(row: Values) -> str:
    messages = row["messages"]
    assert isinstance(messages, list)
    return "".join(f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in messages)


def stdio(home: Path) -> Client:
    """A client that starts the server as clients do: the command, and its standard input and output."""
    return Client(
        StdioServerParameters(
            command=sys.executable, args=["-m", "sanetune", "mcp", "--root", str(home)], cwd=home, env=dict(os.environ)
        )
    )


@contextlib.asynccontextmanager
async def http(home: Path, token: str) -> AsyncIterator[str]:
    """A server over streamable HTTP, as a person starts it; gives its address."""
    command = [sys.executable, "-m", "sanetune", "mcp", "--http", "--root", str(home)]
    environment = {**os.environ, "SANETUNE_MCP_TOKEN": token}
    async with await anyio.open_process(command, env=environment, stdin=None, cwd=home) as process:
        assert process.stderr is not None
        try:
            yield (await process.stderr.receive()).decode().split()[0]
        finally:
            process.terminate()
            with anyio.fail_after(30, shield=True):
                await process.wait()


@contextlib.asynccontextmanager
async def client_of(address: str, token: str) -> AsyncIterator[Client]:
    """A client that sends ``token``."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=300) as web,
        Client(streamable_http_client(address, http_client=web)) as client,
    ):
        yield client


def end_jobs(cache: Path) -> None:
    """Kill the jobs that are left: they go on when a server ends, and when a test fails."""
    for file in (cache / "mcp").glob("*/*/process.json"):
        if Job(file.parent).is_alive:
            os.kill(json.loads(file.read_text())["pid"], signal.SIGKILL)


def values_of(result: CallToolResult) -> Values:
    """The structured content, which is what the text says too."""
    found = result.structured_content
    assert isinstance(found, dict)
    said = json.loads(result.content[0].text)  # type: ignore[union-attr]
    assert said.items() <= found.items() or set(said) <= set(found)
    return found


class Agent:
    """Calls tools, waits for their jobs, and follows what findings and ``next`` say; it knows no file and no key.

    Attributes:
        verdicts: That of each check.
        fixed: Every change that was made, by key.
        progress: The progress of each call.
    """

    def __init__(self, client: Client, config: Path) -> None:
        self.client, self.config = client, str(config)
        self.verdicts: list[str] = []
        self.fixed: Values = {}
        self.progress: list[list[float]] = []

    async def call(self, tool: str, **arguments: object) -> Values:
        """Call a tool, and wait for its job where it is not over."""
        self.progress.append([])
        result = await self.client.call_tool(tool, arguments, progress_callback=self._progress)
        found = values_of(result)
        while found["state"] == "running" and tool != "train":
            waited = values_of(await self.client.call_tool("status", {"job": found["job"], "wait_seconds": 60}))
            found = waited if waited["state"] == "running" else {**_values(waited["result"]), "error": waited["error"]}
        return found | {"failed": result.is_error}

    async def begin(self, **arguments: object) -> Values:
        """Start a training, and wait until it makes steps."""
        found = await self.call("train", config=self.config, **arguments)
        while not str(found["progress"]).startswith("training"):
            assert found["state"] == "running", found
            found = values_of(await self.client.call_tool("status", {"job": found["job"], "wait_seconds": 0.5}))
        return found

    async def repair(self, level: str) -> Values:
        """Check and fix until nothing fails: values from findings, else the cleaned copy that is proposed."""
        for _ in range(6):
            found = await self.call("check", config=self.config, level=level)
            self.verdicts.append(str(found["verdict"]))
            if found["verdict"] != "fail":
                return found
            fixes: Values = {}
            for finding in _list(found["findings"]):
                assert finding["what"] and finding["why"] and finding["todo"]
                fixes |= _values(finding["fix"]) if finding["verdict"] == "fail" else {}
            cleaning = [step for step in _list(found["next"]) if "clean" in _values(step["arguments"])]
            if fixes:
                done = await self.call("fix", config=self.config, changes=fixes)
            else:
                assert cleaning, found["next"]
                done = await self.call("fix", **_values(cleaning[0]["arguments"]))
            assert done["error"] is None, done
            self.fixed |= {str(one["key"]): one["after"] for one in _list(done["changes"])}
        raise AssertionError(self.verdicts)

    async def _progress(self, done: float, total: float | None, words: str | None) -> None:
        self.progress[-1].append(done)


def _values(value: object) -> Values:
    assert isinstance(value, Mapping)
    return dict(value)


def _list(value: object) -> list[Values]:
    assert isinstance(value, list)
    return value
