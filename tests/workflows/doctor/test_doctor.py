"""`sanetune doctor` examines what is there, tries each number format, and names the command for what is missing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.workflows.doctor import environment, hardware, packages
from sanetune.workflows.doctor.examine import examine
from sanetune.workflows.doctor.examined import Examined


def by_name(items: list[Examined]) -> dict[str, Examined]:
    return {item.name: item for item in items}


def test_the_command_shows_each_part_and_writes_json(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["doctor", "--json", str(tmp_path / "d.json")], catch_exceptions=False)
    figures = json.loads((tmp_path / "d.json").read_text())
    assert done.exit_code == (0 if figures["verdict"] == "pass" else 1), done.output
    parts = list(dict.fromkeys(item["part"] for item in figures["items"]))
    assert parts == ["packages", "devices", "precision", "disk", "trackers", "extras", "environment"]
    assert all(item["message"] for item in figures["items"])
    assert "cannot be examined" not in done.output
    assert torch.__version__ in done.output


def test_nothing_is_sent_or_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*words: Any, **named: Any) -> Any:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert all("AssertionError" not in item.message for item in examine().items)


def test_a_package_that_is_missing_or_too_old_is_broken_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version
    versions = {"trl": "0.9.0", "ftfy": None}

    def changed(name: str) -> str:
        found = versions.get(name, version(name) if name not in versions else None)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", changed)
    found = by_name(packages.required())
    assert (found["trl"].state, found["trl"].message) == ("broken", "0.9.0, needed is >=1.16")
    assert (found["ftfy"].state, found["ftfy"].command) == ("broken", "pip install 'ftfy>=6.3'")


def test_an_extra_that_is_not_installed_has_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def changed(name: str) -> str:
        if name in ("optuna", "bitsandbytes"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", changed)
    found = by_name(packages.extras())
    assert (found["sweep"].state, found["sweep"].command) == ("missing", "pip install 'sanetune[sweep]'")
    assert found["quantization"].state == "missing"
    monkeypatch.setattr(packages, "_version", lambda name: None)
    deepspeed = by_name(packages.extras())["deepspeed"]
    assert (deepspeed.state, deepspeed.command) == ("missing", "pip install deepspeed")


def test_every_extra_of_the_package_is_examined_but_those_of_its_developers() -> None:
    import tomllib

    home = Path(__file__).resolve().parents[3]
    extras = tomllib.loads((home / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) - {"dev", "docs", "bench"} <= set(packages.OFFERED)


def test_a_number_format_is_tried_and_a_wrong_gradient_found(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = {"float32": 1.0, "bfloat16": 9.0}

    def seconds(name: str, device: str) -> float:
        if name == "float16":
            raise RuntimeError('"addmm" not implemented for Half\nmore')
        return timed[name]

    assert {item.name for item in hardware.precision()} == set(hardware.FORMATS)
    monkeypatch.setattr(hardware, "_seconds", seconds)
    found = by_name(hardware.precision())
    assert [found[name].state for name in hardware.FORMATS] == ["ok", "note", "missing"]
    assert "9 times as slow as float32" in found["bfloat16"].message
    assert found["float16"].message.endswith("not implemented for Half")
    monkeypatch.undo()
    monkeypatch.setattr(torch, "allclose", lambda *words: False)
    with pytest.raises(RuntimeError, match="gradients are wrong"):
        hardware._seconds("float32", "cpu")


def test_a_full_or_locked_disk_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    assert {item.state for item in environment.disk()} == {"note"}
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert by_name(environment.disk())["runs"].state == "broken"
    assert by_name(environment.disk())["models"].state == "note"


def test_a_tracker_is_installed_and_logged_in_or_has_its_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trackio" else find(name))
    monkeypatch.setenv("WANDB_API_KEY", "secret-key")
    found = by_name(environment.trackers())
    assert (found["trackio"].state, found["trackio"].command) == ("missing", "pip install 'sanetune[trackio]'")
    if found["wandb"].state != "missing":
        assert found["wandb"].message == "WANDB_API_KEY is set", "and not what it is"


def test_a_part_that_cannot_be_examined_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> list[Examined]:
        raise OSError("no driver")

    monkeypatch.setattr(hardware, "devices", broken)
    found = examine()
    assert not found.is_sound
    assert by_name(found.items)["devices"].message == "cannot be examined: OSError: no driver"
    assert {"packages", "disk", "extras"} <= {item.part for item in found.items}
