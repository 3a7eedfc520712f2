"""A run's page says what the run came to, and nothing that its files do not say."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil
import pytest

from sanetune.config.load import load
from sanetune.engine.metrics import Record, to_line
from sanetune.report.html.page import page
from sanetune.report.html.run_page import live_page, view_of_run
from sanetune.report.html.status import status_of
from sanetune.report.html.trained import run_view
from sanetune.runs import Run
from sanetune.typed_json import to_json
from sanetune.workflows.run_state import Phase, RunState
from tests.report.html.test_page import Reader

DAY = "2026-11-28 10:00:00 UTC"


def wrote(folder: Path, phase: Phase, reason: str = "", *, alive: bool = True, host: str = "") -> Run:
    run = Run(folder)
    began = psutil.Process().create_time() - (0 if alive else 1_000)
    state = RunState(phase, DAY, "2026-11-28 11:00:00 UTC", 40, reason, os.getpid(), began, host or platform.node())
    run.write_json(run.state, to_json(state))
    return run


RECORDS = [Record(step, step / 10, 3.0 * step, "train", 2.0, tokens=100 * step) for step in range(1, 11)]


def finish(run: Run) -> None:
    run.model.mkdir()
    (run.model / "config.json").write_text("{}")


@pytest.mark.parametrize(
    ("phase", "alive", "title", "tone", "words"),
    [
        ("running", True, "Running", "pass", f"step 10 of 40, about 1 min 30 s left, since {DAY}"),
        ("running", False, "Ended without a word", "fail", "step 10 of 40; its process is no longer there"),
        ("stopped", True, "Stopped by the watch", "fail", "step 10 of 40, on 2026-11-28 11:00:00 UTC: it diverged"),
        ("interrupted", True, "Interrupted", "warn", "step 10 of 40, on 2026-11-28 11:00:00 UTC"),
        ("failed", True, "Failed", "fail", "step 10 of 40, on 2026-11-28 11:00:00 UTC: it diverged"),
    ],
)
def test_each_course_has_its_words(
    tmp_path: Path, phase: Phase, alive: bool, title: str, tone: str, words: str
) -> None:
    run = wrote(tmp_path, phase, "it diverged." if phase in ("stopped", "failed") else "", alive=alive)
    found = status_of(run, RECORDS)
    assert found is not None
    assert (found.title, found.tone) == (title, tone) and found.text.startswith(words)
    assert found.progress == (0.25 if found.kind == "running" else None)


def test_a_finished_run_is_finished_whatever_was_written_before(tmp_path: Path) -> None:
    run = wrote(tmp_path, "running", alive=False)
    finish(run)
    found = status_of(run, RECORDS)
    assert found is not None and found.title == "Finished"


@pytest.mark.parametrize(
    ("alive", "host", "title"),
    [(True, "", "Running"), (False, "", "Ended without a word"), (False, "elsewhere", "Not finished")],
)
def test_a_finished_run_that_is_trained_for_longer_is_not_finished_until_its_new_model_is_there(
    tmp_path: Path, alive: bool, host: str, title: str
) -> None:
    finish(Run(tmp_path))
    os.utime(tmp_path / "model" / "config.json", (1, 1))
    run = wrote(tmp_path, "running", alive=alive, host=host)
    found = status_of(run, RECORDS)
    assert found is not None and found.title == title


def test_the_page_of_a_run_that_is_trained_for_longer_says_that_it_goes_on(tmp_path: Path) -> None:
    finish(Run(tmp_path))
    run = wrote(tmp_path, "running")
    run.metrics.write_text("".join(to_line(one) for one in RECORDS))
    settings = load({"model": {"name": "somewhere"}, "data": {"train": "rows.jsonl"}})
    assert not live_page(settings, run, "/data").is_over
    found = run_view(run)
    assert found is not None and found.text.startswith("10 steps so far") and found.status is not None
    assert found.status.progress == 0.25


def test_of_a_run_on_another_machine_it_is_not_said_that_it_goes_on(tmp_path: Path) -> None:
    found = status_of(wrote(tmp_path, "running", host="elsewhere"), RECORDS)
    assert found is not None and found.title == "Not finished"
    assert found.text == "step 10 of 40; whether elsewhere still trains it cannot be told from here"


def test_a_run_without_a_record_has_no_forecast_of_its_end(tmp_path: Path) -> None:
    found = status_of(wrote(tmp_path, "running"), [])
    assert found is not None and found.text == f"no step yet, since {DAY}" and found.progress == 0.0


def test_a_folder_without_a_run_has_no_course(tmp_path: Path) -> None:
    assert status_of(Run(tmp_path), []) is None


@pytest.mark.parametrize(
    ("phase", "heading"),
    [
        ("failed", "Failed"),
        ("stopped", "Stopped by the watch"),
        ("running", "Not checked"),
        ("finished", "Not checked"),
    ],
)
def test_a_page_is_headed_by_what_went_wrong_and_says_what_was_not_proved(
    tmp_path: Path, phase: Phase, heading: str
) -> None:
    run = wrote(tmp_path, phase, "<b>no</b>")
    run.metrics.write_text("".join(to_line(one) for one in RECORDS))
    if phase == "finished":
        finish(run)
    settings = load({"model": {"name": "somewhere"}, "data": {"train": "rows.jsonl"}})
    found = view_of_run(settings, run)
    assert found.heading is not None and found.heading.title == heading
    read = Reader(page(found))
    first = read.text[: read.text.index("Made by sanetune")]
    assert "it has no clearance" in first and "Cleared" not in first
    assert not read.of("b", class_="no") and read.of("section", id="training") == []
    assert ("Learning rates" in first) is False, "nothing is drawn of experiments that there are none of"
