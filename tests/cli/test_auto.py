"""`sanetune auto` on the command line: how it is stopped, resumed and asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sanetune import api_auto
from sanetune.cli import HOME, main
from sanetune.workflows.auto.acts.world import RealWorld
from sanetune.workflows.auto.journal import NAME
from tests.workflows.auto.fake import SOUND


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def begun(*names: str) -> None:
    for name in names:
        Path("auto", name).mkdir(parents=True)
        Path("auto", name, NAME).touch()


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(request: Any, folder: Path, **more: Any) -> None:
        begun(folder.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(api_auto, "auto", stopped)
    done = runner.invoke(main, ["auto", "model", "rows.jsonl"])
    assert done.exit_code == 130
    assert "Kept in auto/model" in done.output and "sanetune auto --resume --out auto/model\n" in done.output


def test_resume_takes_the_only_autopilot_there_is(runner: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Path] = []

    def stopped(request: Any, folder: Path, **more: Any) -> None:
        taken.append(folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(api_auto, "auto", stopped)
    none = runner.invoke(main, ["auto", "--resume"])
    assert none.exit_code == 2 and "no journal in auto/" in none.output
    begun("one")
    assert runner.invoke(main, ["auto", "--resume"]).exit_code == 130 and taken == [Path("auto/one")]
    begun("two")
    several = runner.invoke(main, ["auto", "--resume"])
    assert several.exit_code == 2 and "auto/one, auto/two" in several.output and len(taken) == 1


def test_a_question_without_anyone_to_answer_is_said(runner: CliRunner) -> None:
    done = runner.invoke(
        main,
        ["auto", str(HOME / "demo" / "model"), str(HOME / "demo" / "data" / "train.jsonl"), "--ask", "--out", "o"],
        input="",
    )
    assert done.exit_code == 2 and "standard input has ended" in done.output and "--resume --ask" in done.output


def test_the_usage_names_overrides(runner: CliRunner) -> None:
    assert "MODEL DATA [OVERRIDE]..." in " ".join(runner.invoke(main, ["auto", "--help"]).output.split())


def test_a_question_shows_what_each_option_may_take(runner: CliRunner) -> None:
    from sanetune.report.terminal.auto import ask_view
    from sanetune.workflows.auto.facts import Inspected
    from sanetune.workflows.auto.known import Known
    from sanetune.workflows.auto.states.clean import decide

    known = Known()
    known.inspected = Inspected(300, 0, 0, (), 50.0)
    lines = list(ask_view("clean", decide(known)))
    assert lines[2].startswith(" * 1 hold out") and lines[2].endswith("read them again (up to 2 min)")


def test_a_dry_run_asks_the_adviser_that_is_configured_and_says_so(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RealWorld, "do", lambda self, act, known, values: SOUND[act])
    words = ["auto", str(HOME / "demo" / "model"), str(HOME / "demo" / "data" / "train.jsonl"), "--dry-run"]
    agent = ["agent.base_url=http://127.0.0.1:9/v1", "--goal", "polite"]
    refused = runner.invoke(main, [*words, *agent])
    assert refused.exit_code == 2 and "agent.model is not" in refused.output
    done = runner.invoke(main, [*words, *agent, "agent.model=m"])
    assert done.exit_code == 0 and "counts for nothing" not in done.output, done.output
    shown = [line.split()[:2] for line in done.output.splitlines() if not line.startswith(" ")]
    assert ["advise", "ask"] in shown and ["judge", "ask"] in shown and ["verdict", "promote"] in shown
