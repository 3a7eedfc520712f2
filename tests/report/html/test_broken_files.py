"""What a page says of files in a run's folder that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.report.html.broken_files import broken_files
from sanetune.report.html.run_page import page_of_run, view_of_run
from sanetune.runs import Run
from sanetune.workflows.check import evidence_of
from tests.report.runs_made import made


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return made(tmp_path / "run", 40, phase="finished")


def test_nothing_is_said_of_a_whole_run(run: Run) -> None:
    run.write_json(run.versions, {"python": "3.11"})
    assert broken_files(run) == []


@pytest.mark.parametrize("name", ["versions", "samples", "outcome", "comparison", "watch", "forgetting", "data"])
@pytest.mark.parametrize("content", ['{"a": ', "\x00", ""])
def test_a_page_is_made_and_names_a_broken_file(run: Run, name: str, content: str) -> None:
    file: Path = getattr(run, name)
    file.write_text(content)
    heading = view_of_run(load(run.config), run).heading
    assert heading is not None and f"{file.name} is broken and was left out." in heading.notes


def test_the_note_is_on_the_page(run: Run) -> None:
    run.versions.write_text("{")
    settings = load(run.config)
    with evidence_of(settings) as evidence:
        assert "versions.json is broken and was left out." in page_of_run(settings, evidence, run)


def test_a_truncated_record_of_a_run_that_has_ended_is_said(run: Run) -> None:
    text = run.metrics.read_text()
    run.metrics.write_text(text[: len(text) // 2])
    (note, *_) = broken_files(run)
    assert "truncated" in note
    going_on = made(run.path.parent / "other", 40)
    going_on.metrics.write_text(text[: len(text) // 2])
    assert broken_files(going_on) == []
