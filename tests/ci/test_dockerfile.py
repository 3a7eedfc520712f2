"""The image installs what is tested, compiles it, runs without root, and is built where a builder is there."""

from __future__ import annotations

import fnmatch
import json
import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from sanetune.bytecode import COMMAND
from sanetune.cli import COMMANDS, main

HOME = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The instructions, each with its words, continued lines joined and comments left out."""
    lines = [line for line in (HOME / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = [line.partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, words) for name, _, words in found]


def place(steps: list[tuple[str, str]], text: str) -> int:
    return next(number for number, step in enumerate(steps) if text in " ".join(step))


def test_every_instruction_is_one_and_the_base_is_pinned(steps: list[tuple[str, str]]) -> None:
    known = {"FROM", "ARG", "RUN", "ENV", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps} <= known and steps[0][0] == "FROM"
    base = steps[0][1]
    assert re.fullmatch(r"python:3\.\d+-slim", base), "a version, and not latest"
    needed = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["requires-python"]
    assert needed == ">=3.11" and int(base.split(".")[1].split("-")[0]) >= 11


def test_the_libraries_are_compiled_after_they_are_installed_and_before_root_is_left(
    steps: list[tuple[str, str]],
) -> None:
    installed, compiled = place(steps, "--constraint constraints.txt ."), place(steps, f"RUN {COMMAND}")
    assert installed < compiled < place(steps, "USER sanetune")
    assert not any("PYTHONDONTWRITEBYTECODE" in words for _, words in steps)


def test_packages_are_pinned_and_nothing_of_the_build_stays(steps: list[tuple[str, str]]) -> None:
    installs = [words for name, words in steps if name == "RUN" and "pip install" in words]
    assert installs and all(one.count("pip install") == one.count("--constraint constraints.txt") for one in installs)
    (apt,) = (words for _, words in steps if "apt-get install" in words)
    assert "--no-install-recommends" in apt and "rm -rf /var/lib/apt/lists/*" in apt
    assert any(name == "ENV" and "PIP_NO_CACHE_DIR=1" in words for name, words in steps)


def test_it_runs_our_command_without_root(steps: list[tuple[str, str]]) -> None:
    last = dict(steps)
    assert last["USER"] not in ("root", "0") and json.loads(last["ENTRYPOINT"]) == ["sanetune"]
    assert json.loads(last["CMD"]) == ["--help"]


def test_what_is_copied_is_there_and_sent_to_the_builder(steps: list[tuple[str, str]]) -> None:
    ignored = [line for line in (HOME / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    sent = [line[1:] for line in ignored if line.startswith("!")]
    assert ignored[0] == "*", "no credentials, runs or data of whoever builds it"
    for name, words in steps:
        if name == "COPY":
            for source in words.split()[:-1]:
                path = source.removeprefix("./")
                assert (HOME / path).exists()
                assert any(fnmatch.fnmatch(path, one) for one in sent)


def test_it_is_built_and_tried_in_ci() -> None:
    job = yaml.safe_load((HOME / ".github/workflows/docker.yml").read_text())
    steps = job["jobs"]["build"]["steps"]
    (build,) = (step for step in steps if step.get("uses", "").startswith("docker/build-push-action@"))
    tried = [step["run"].split() for step in steps if step.get("run", "").startswith("docker run")]
    assert build["with"]["load"] is True and tried
    for words in tried:
        image = words.index(build["with"]["tags"])
        command = main.get_command(click.Context(main), words[image + 1])
        assert words[image + 1] in COMMANDS and command is not None
        options = {one for parameter in command.params for one in parameter.opts}
        assert {word for word in words[image + 2 :] if word.startswith("--")} <= options
    assert job["permissions"] == {"contents": "read"}
