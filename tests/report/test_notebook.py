"""Reports and runs show themselves in a notebook: small, legible on any ground, and without anything that runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.watch import LiveFinding
from sanetune.gate.watch_report import WatchFinding, WatchReport
from sanetune.report.notebook import compared_html, report_html, run_html, show_in_notebooks, sweep_html
from sanetune.workflows.train import Trained
from tests.report import experiments_made, runs_made, sample
from tests.report.html.test_page import EVIL, Reader
from tests.workflows.comparing.made import compared, model
from tests.workflows.sweep.made import sweep, trial


def trained(folder: Path) -> Trained:
    run = runs_made.made(folder, phase="finished")
    runs_made.answered(run, sample.EVIL)
    return Trained(run, cast(Any, None), cast(Any, SimpleNamespace(steps=20, validation_loss=1.0)), None)


def test_a_report_has_its_verdict_and_what_to_do() -> None:
    read = Reader(report_html(sample.report()))
    assert read.open == [] and read.elements[0] == ("div", {"class": "sanetune"})
    assert "Refused at level static" in read.text and sample.MASKED.message in read.text
    assert sample.MASKED.remedy in read.text and "loss_on: assistant" in read.text
    assert "6 checks without a finding" in read.text


def test_it_is_small_even_with_experiments_and_a_long_run(tmp_path: Path) -> None:
    report = replace(sample.report(), experiments=experiments_made.full().to_json())
    assert len(report_html(report)) < 80_000
    run = trained(tmp_path / "run")
    runs_made.write_records(run.run, 20_000)
    assert len(run_html(run)) < 80_000


def test_nothing_in_it_is_loaded_or_run(tmp_path: Path) -> None:
    for source in (report_html(sample.report()), run_html(trained(tmp_path / "run"))):
        read = Reader(source)
        assert not [one for one in ("script", "iframe", "img", "link", "object") if read.of(one)]
        for _, attributes in read.elements:
            assert not set(attributes) & {"src", "href", "style"}
            assert not any(one.startswith("on") for one in attributes)
        assert "url(" not in source and "@import" not in source


@pytest.mark.parametrize("text", EVIL)
def test_no_text_becomes_markup(text: str) -> None:
    plain = Reader(report_html(Report([replace(sample.MASKED, message="word", remedy="word")])))
    read = Reader(report_html(Report([replace(sample.MASKED, message=text, remedy=text)])))
    assert read.shape == plain.shape and read.open == []


def test_a_run_has_its_losses_and_answers(tmp_path: Path) -> None:
    read = Reader(run_html(trained(tmp_path / "mine")))
    assert "mine" in read.text and "Finished" in read.text and "No gate was asked." in read.text
    assert "training loss" in read.text, "the lines of its plot have names"
    assert len(read.of("svg", class_="plot")) == 1 and "<script>alert(1)</script>" in read.text


def test_a_run_has_what_its_watch_and_the_measurement_of_forgetting_have_found(tmp_path: Path) -> None:
    found = trained(tmp_path / "run")
    fired = WatchFinding(LiveFinding(10, 10, Finding("curve-spike", Verdict.WARN, "The loss rises."), ""))
    found.run.write_json(found.run.watch, WatchReport("warn", [fired]).to_json())
    forgets = Finding("model-forgets", Verdict.WARN, "It forgets.", "", "Lower the rate.", {"steps": 20})
    found.run.write_json(found.run.forgetting, {"schema": 1, "finding": forgets.to_json(), "forgetting": None})
    text = Reader(run_html(found)).text
    assert "The loss rises." in text and "It forgets." in text and "Lower the rate." in text


def test_a_sweep_and_a_comparison_are_what_the_terminal_shows_of_them(tmp_path: Path) -> None:
    found = sweep(trial(1e-4, 1.5), trial(1e-3, 1.0, changes={"model.adapter": "<b>lora</b>"}))
    read = Reader(sweep_html(found))
    assert "2 trials of" in read.text and "adapter=<b>lora</b>" in read.text and "Verdict:" in read.text
    assert not read.of("b") and read.open == []
    marks = {"ends by itself": [True] * 8, "repeats itself": [False] * 8}
    beside = Reader(compared_html(compared(model("one", marks, 2.0), model("<i>two", marks, 2.5))))
    assert "<i>two beside one: worse" in beside.text and not beside.of("i")


def test_all_of_them_have_it_once_it_is_asked_for(tmp_path: Path) -> None:
    show_in_notebooks()
    report, run, trials = Report([]), trained(tmp_path / "run"), sweep(trial(1e-4, 1.5))
    assert report._repr_html_() == report_html(report)  # type: ignore[attr-defined]
    assert run._repr_html_() == run_html(run)  # type: ignore[attr-defined]
    assert trials._repr_html_() == sweep_html(trials)  # type: ignore[attr-defined]
