"""The stories, told with a handful of rows and steps: what is refused, mended, cleared and trained, and what is not
looked at twice."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from sanetune.cli import main
from sanetune.demo import MODEL, VALIDATION, fault_story, faults, stage, story
from sanetune.demo.faults import FAULTS

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = {"max_steps": 6, "per_device_train_batch_size": 2, "eval_steps": 3, "save_steps": 3, "logging_steps": 1}


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows, steps and prompts; and a gate that must not look by itself."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    sound, whole, asked = faults.sound_settings, story.settings, stage.prompts

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
    monkeypatch.setattr(story, "settings", lambda out: few(whole(out)))
    monkeypatch.setattr(stage, "prompts", lambda: asked()[:3])
    monkeypatch.setattr(stage, "LONGEST", 16)
    monkeypatch.setattr(stage, "better", lambda base, tuned: True)
    monkeypatch.setattr("sanetune.workflows.clear._check", refused)


def console() -> Console:
    return Console(file=io.StringIO(), width=80, highlight=False)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_fault_is_refused_mended_cleared_and_trained(tmp_path: Path):
    out, screen = tmp_path / "demo", console()
    figures = fault_story.tell(FAULTS["no-stop"], out, screen)
    assert figures["as_told"]
    assert figures["refused"]["failed"] == ["template-end-unlearnt"]
    assert figures["refused"]["level"] == "static"
    assert figures["cleared"]["verdict"] in ("pass", "warn")
    assert [(one["key"], one["after"], one["check"]) for one in figures["changes"]] == [
        ("model.chat_template", "chatml", "template-end-unlearnt")
    ]
    assert json.loads((out / "demo.json").read_text()) == figures
    assert (out / "run" / "clearance.json").is_file()
    assert (out / "run" / "model" / "config.json").is_file()
    words = said(screen)
    assert "template-end-unlearnt" in words
    assert "refused: 1 failed" in words
    assert "What would be trained on" in words
    assert "The same row now" in words
    assert "Cleared at level static" in words
    assert all(len(line) <= 80 for line in words.splitlines() if "/" not in line)


def test_what_was_corrected_by_looking_alone_is_looked_at_again_as_deep_as_training_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    small = faults.sound_settings
    monkeypatch.setattr(
        faults, "sound_settings", lambda epochs=1: small(epochs) | {"check": {"level": "probe", "select": ["tokens"]}}
    )
    figures = fault_story.tell(FAULTS["cut"], tmp_path / "demo", console())
    assert figures["as_told"]
    assert figures["refused"]["level"] == "static"
    assert figures["refused"]["failed"] == ["tokens-cut-reply"]
    assert figures["cleared"]["level"] == "probe"


def test_a_fault_that_nothing_finds_ends_the_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from dataclasses import replace

    screen = console()
    harmless = replace(FAULTS["cut"], plant=lambda folder, settings: None)
    figures = fault_story.tell(harmless, tmp_path / "demo", screen)
    assert not figures["as_told"]
    assert figures["refused"]["failed"] == []
    assert not (tmp_path / "demo" / "run" / "model").exists()
    assert "not ended as it should" in said(screen)


def test_the_sound_story_trains_with_the_clearance_of_its_own_check(tmp_path: Path):
    out, screen = tmp_path / "demo", console()
    figures = story.tell(out, screen)
    assert set(figures) == {"base", "tuned", "check", "seconds", "as_told"}
    assert figures["check"]["verdict"] in ("pass", "warn")
    assert figures["check"]["parts"]["looking"] > 0
    assert json.loads((out / "demo.json").read_text()) == figures
    assert (out / "clearance.json").is_file()
    assert "Cleared at level static" in said(screen)
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
    stage.clear(tmp_path)
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
    stage.clear(tmp_path)
    assert (tmp_path / file).read_text() == text


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for arguments in (["demo", "--out", str(tmp_path)], ["demo", "--fault", "cut", "--out", str(tmp_path)]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2, result.output
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["thesis.txt"]


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("fault", [None, "cut"])
def test_the_exit_code_says_how_the_story_ended(
    told: bool, fault: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    figures = {"as_told": told, "seconds": 1.0}
    monkeypatch.setattr(story, "tell", lambda out, console: figures)
    monkeypatch.setattr(fault_story, "tell", lambda fault, out, console: figures)
    file = tmp_path / "figures.json"
    chosen = ["--fault", fault] if fault else []
    result = CliRunner().invoke(main, ["demo", *chosen, "--json", str(file)])
    assert result.exit_code == (0 if told else 1)
    assert json.loads(file.read_text()) == figures


def test_a_fault_that_there_is_not_is_refused():
    result = CliRunner().invoke(main, ["demo", "--fault", "gremlins"])
    assert result.exit_code == 2
    assert "prompt-loss" in result.output
