"""What the watch found is on the page: marked at its step, with the rows behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.errors import Place
from sanetune.finding import Finding, Verdict
from sanetune.gate.clearance import unchecked_run
from sanetune.gate.clearance_file import write_clearance
from sanetune.gate.fingerprint import Fingerprint
from sanetune.gate.watch import LiveFinding
from sanetune.gate.watch_report import Ended, WatchFinding, WatchReport
from sanetune.probes.row_losses import StepRow
from sanetune.report.html.overview import run_losses
from sanetune.report.html.page import page
from sanetune.report.html.run_page import view_of_run
from sanetune.report.html.trained import run_view
from sanetune.runs import Run
from tests.report import sample
from tests.report.html.test_page import Reader
from tests.report.runs_made import made, state

SPIKE = Finding("curve-spike", Verdict.WARN, "The loss has 1 spike, at step 12.", "It costs.", "Look at the rows.")
NAN = Finding("curve-nan", Verdict.FAIL, "The loss is NaN from step 15 on.", "Nothing is learnt.", "Lower it.")


def watched(run: Run, ended: Ended | None = None, rows: int = 12) -> Run:
    some = [
        StepRow(n, Place(file=Path("rows.jsonl"), line=n + 1), f"{sample.EVIL} {n}", 9, 4, 8.0 - n, 14.0)
        for n in range(rows)
    ]
    found = [
        WatchFinding(LiveFinding(16, 12, SPIKE), [one.to_json() for one in some], "the weights after step 16"),
        WatchFinding(LiveFinding(15, None, NAN), answers=[{"words": "fewer epochs", "values": {}}]),
    ]
    run.write_json(run.watch, WatchReport("stop", found, ended).to_json())
    return run


def text_of(run: Run) -> Reader:
    return Reader(page(view_of_run(load(run.config), run)))


def test_each_finding_is_marked_at_the_step_that_it_is_about(tmp_path: Path) -> None:
    view = run_view(watched(made(tmp_path / "run")))
    assert view is not None
    plot = run_losses(view)
    assert plot is not None
    marks = {(one.step, one.label, one.style) for one in plot.panels[0].steps}
    assert {(12, "curve-spike", "warn"), (15, "curve-nan", "fail")} <= marks


def test_it_has_its_rows_the_worst_first_and_says_what_they_were_measured_with(tmp_path: Path) -> None:
    text = text_of(watched(made(tmp_path / "run"))).text
    part = text[text.rindex("at step 12, found at step 16") :]
    assert "The worst of 12 rows of step 12, measured with the weights after step 16" in part
    assert part.index("rows.jsonl:1") < part.index("rows.jsonl:2") < part.index("rows.jsonl:10")
    assert "rows.jsonl:11" not in part and "fewer epochs" in text
    assert "<script>alert(1)</script>" in part


def test_the_worst_finding_is_named_on_the_first_screen(tmp_path: Path) -> None:
    text = text_of(watched(made(tmp_path / "run"))).text
    first = text[: text.index("Made by sanetune")]
    assert first.index(NAN.message) < first.index(SPIKE.message)


def test_what_was_found_in_an_unchecked_run_is_among_its_findings_with_why_what_to_do_and_fix(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="stopped")
    found = replace(NAN, fix={"train.learning_rate": 1e-4})
    run.write_json(run.watch, WatchReport("stop", [WatchFinding(LiveFinding(15, None, found))]).to_json())
    write_clearance(run, unchecked_run("try", Fingerprint({}, {}, {}, "", {})))
    text = text_of(run).text
    part = text[text.rindex("Findings") : text.rindex("Training")]
    for words in (NAN.message, "Why it matters", NAN.rationale, "What to do", NAN.remedy, "learning_rate: 1.0e-04"):
        assert words in part
    assert "Nothing was checked before the run (--unchecked: try)." in part and "All 1" in " ".join(part.split())


def test_one_check_that_found_something_at_two_steps_has_two_places_of_its_own(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    found = [WatchFinding(LiveFinding(step + 4, step, SPIKE)) for step in (12, 30)]
    run.write_json(run.watch, WatchReport("warn", found, None).to_json())
    read = text_of(run)
    ids = [one["id"] for one in read.of("details", class_="finding")]
    assert ids[:2] == ["watch-1-curve-spike", "watch-2-curve-spike"] and len(ids) == len(set(ids))
    assert all(read.of("a", href=f"#{one}") for one in ids[:2])


def test_a_run_that_the_watch_ended_says_with_which_weights(tmp_path: Path) -> None:
    run = made(tmp_path / "run", phase="stopped")
    watched(run, Ended(18, "stop", ("curve-nan",), 10))
    assert "Stopped by the watch" in text_of(run).text
    turned = made(tmp_path / "turned", phase="finished")
    state(turned, "finished", 400)
    assert "curve-stopped-early" in text_of(turned).text
    watched(turned, Ended(18, "turn", ("curve-overfit",), 10))
    text = text_of(turned).text
    assert "ended early after step 18 by curve-overfit; the weights of step 10 are kept" in text
    assert "Stopped by the watch" not in text and "curve-stopped-early" not in text


def test_a_run_that_goes_on_after_a_finding_is_not_called_stopped(tmp_path: Path) -> None:
    run = watched(made(tmp_path / "run"))
    state(run, "running", 40)
    text = text_of(run).text
    assert "Running" in text and "Stopped" not in text and "ended early" not in text


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"mode": "stop", "findings": [{}]}', '{"mode": 1, "findings": 3}', "\x00", "null"]
)
def test_a_broken_file_is_left_out(tmp_path: Path, content: str) -> None:
    run = made(tmp_path / "run")
    run.watch.write_text(content)
    view = run_view(run)
    assert view is not None and not view.fired
    assert json.loads(run.state.read_text())["phase"] == "running"
