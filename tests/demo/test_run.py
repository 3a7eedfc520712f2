"""The demo with few rows and steps: what is refused, fixed, cleared and trained, and what is not checked twice."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from sanetune.cli import main
from sanetune.commands import command
from sanetune.demo import MODEL, VALIDATION, answers, fault_run, faults, folder, run
from sanetune.demo.faults import FAULTS

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {"max_steps": 6, "per_device_train_batch_size": 2, "eval_steps": 3, "save_steps": 3, "logging_steps": 1}


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows, steps and prompts; and training must not check by itself."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    sound, whole, asked = faults.sound_settings, run.settings, answers.prompts

    def few(settings: dict[str, Any]) -> dict[str, Any]:
        settings["data"]["max_examples"] = 80
        settings["data"]["validation"] = {"path": str(VALIDATION), "limit": 16}
        settings["train"] |= TINY
        settings["check"] = {"level": "static"}
        settings["run"]["trackers"] = []
        return settings

    def refused(*args: Any) -> None:
        raise AssertionError("the check is made twice")

    monkeypatch.setattr(faults, "sound_settings", lambda epochs=1: few(sound(epochs)))
    monkeypatch.setattr(run, "settings", lambda out: few(whole(out)))
    monkeypatch.setattr(answers, "prompts", lambda: asked()[:3])
    monkeypatch.setattr(answers, "LONGEST", 16)
    monkeypatch.setattr(answers, "better", lambda base, tuned: True)
    monkeypatch.setattr("sanetune.workflows.clear._check", refused)


def console() -> Console:
    return Console(file=io.StringIO(), width=80, highlight=False)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_fault_is_refused_fixed_cleared_and_trained(tmp_path: Path):
    out, screen = tmp_path / "demo", console()
    figures = fault_run.run(FAULTS["no-stop"], out, screen)
    assert figures["completed"]
    assert figures["refused"]["failed"] == ["template-end-unlearnt"]
    assert figures["refused"]["level"] == "static"
    assert figures["cleared"]["verdict"] in ("pass", "warn")
    assert [(one["key"], one["after"], one["check"]) for one in figures["changes"]] == [
        ("model.chat_template", "chatml", "template-end-unlearnt")
    ]
    assert json.loads((out / "demo.json").read_text()) == figures
    assert (out / "run" / "clearance.json").is_file()
    assert (out / "run" / "model" / "config.json").is_file()
    words = printed(screen)
    assert "template-end-unlearnt" in words
    assert "refused: 1 failed" in words
    assert "What would be trained on" in words
    assert "The same row now" in words
    assert "Cleared at level static" in words
    assert all(len(line) <= 80 for line in words.splitlines() if "/" not in line)


def test_what_static_checks_have_fixed_is_checked_again_as_deep_as_training_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    small = faults.sound_settings
    monkeypatch.setattr(
        faults, "sound_settings", lambda epochs=1: small(epochs) | {"check": {"level": "probe", "select": ["tokens"]}}
    )
    figures = fault_run.run(FAULTS["cut"], tmp_path / "demo", console())
    assert figures["completed"]
    assert figures["refused"]["level"] == "static"
    assert figures["refused"]["failed"] == ["tokens-cut-reply"]
    assert figures["cleared"]["level"] == "probe"


def test_a_fault_that_nothing_finds_ends_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from dataclasses import replace

    screen = console()
    harmless = replace(FAULTS["cut"], inject=lambda folder, settings: None)
    figures = fault_run.run(harmless, tmp_path / "demo", screen)
    assert not figures["completed"]
    assert figures["refused"]["failed"] == []
    assert not (tmp_path / "demo" / "run" / "model").exists()
    assert "not gone as it should" in printed(screen)


def test_the_demo_trains_with_the_clearance_of_its_own_check(tmp_path: Path):
    out, screen = tmp_path / "demo", console()
    figures = run.run(out, screen)
    assert set(figures) == {"base", "tuned", "check", "seconds", "completed"}
    assert figures["check"]["verdict"] in ("pass", "warn")
    assert figures["check"]["parts"]["static"] > 0
    assert json.loads((out / "demo.json").read_text()) == figures
    assert (out / "clearance.json").is_file()
    assert "Cleared at level static" in printed(screen)
    assert (figures["check"]["level"], figures["check"]["failed"]) == ("static", [])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("demo.json", '{"tuned": {}, "base": {}, "seconds": 69.2}'),
        ("demo.json", '{"fault": "rate", "seconds": 3.1, "as_told": false}'),
        ("config.yaml", f"model:\n  name: {MODEL}\nrun:\n  name: demo\n"),
    ],
)
def test_an_earlier_demo_is_replaced(file: str, text: str, tmp_path: Path):
    (tmp_path / file).write_text(text)
    (tmp_path / "model").mkdir()
    folder.clear(tmp_path)
    assert not tmp_path.exists()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("demo.json", '{"slides": 12}'),
        ("demo.json", "[1, 2"),
        ("config.yaml", "model:\n  name: /home/me/demo/model\nrun:\n  name: demo\n"),
        ("notes.txt", "demo"),
    ],
)
def test_what_no_demo_made_is_never_removed(file: str, text: str, tmp_path: Path):
    (tmp_path / file).write_text(text)
    folder.clear(tmp_path)
    assert (tmp_path / file).read_text() == text


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for arguments in (["demo", "--out", str(tmp_path)], ["demo", "--fault", "cut", "--out", str(tmp_path)]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2, result.output
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["thesis.txt"]


@pytest.mark.parametrize("completed", [True, False])
@pytest.mark.parametrize("fault", [None, "cut"])
def test_the_exit_code_says_how_the_demo_ended(
    completed: bool, fault: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    figures = {"completed": completed, "seconds": 1.0}
    monkeypatch.setattr(run, "run", lambda out, console: figures)
    monkeypatch.setattr(fault_run, "run", lambda fault, out, console: figures)
    file = tmp_path / "figures.json"
    chosen = ["--fault", fault] if fault else []
    result = CliRunner().invoke(main, ["demo", *chosen, "--json", str(file)])
    assert result.exit_code == (0 if completed else 1)
    assert json.loads(file.read_text()) == figures


def test_a_fault_that_there_is_not_is_refused():
    result = CliRunner().invoke(main, ["demo", "--fault", "gremlins"])
    assert result.exit_code == 2
    assert "prompt-loss" in result.output


def test_commands_in_a_demo_name_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fault_run.FaultRun, "_configuration", lambda self, file: shown.append(command("train")))
    fault_run.run(FAULTS["rate"], Path("out"), Console(file=io.StringIO()))
    assert shown == ["sanetune train out/sanetune.yaml"]
