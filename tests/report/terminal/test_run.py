"""The end of a run on a terminal: its time and speed are those that the page shows."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from sanetune.engine.adapters import Frozen
from sanetune.engine.base import Outcome
from sanetune.engine.metrics import Record, to_line
from sanetune.finding import Finding, Verdict
from sanetune.gate.watch import LiveFinding
from sanetune.gate.watch_report import WatchFinding, WatchReport
from sanetune.probes.results import Comparison
from sanetune.report.html.trained import run_view
from sanetune.report.terminal.run import show_end
from sanetune.runs import Run
from tests.report.runs_made import made


def test_time_and_speed_are_those_of_the_page_and_the_speed_leaves_evaluations_out(tmp_path: Path) -> None:
    """400 tokens in 4 s of steps, and 36 s of evaluations: not 10 tokens per second."""
    run = made(tmp_path / "run")
    records = [
        Record(1, 0.1, 1.0, "train", 2.0, tokens=100, tokens_per_second=100.0),
        Record(1, 0.1, 37.0, "validation", 2.0),
        Record(4, 0.4, 40.0, "train", 2.0, tokens=400, tokens_per_second=100.0),
    ]
    run.metrics.write_text("".join(to_line(record) for record in records))
    view = run_view(run)
    assert view is not None and (view.tokens_per_second, view.seconds) == (100.0, 40.0)
    outcome = SimpleNamespace(
        steps=4, seconds=42.0, tokens=400, records=records, stopped_early=False, best_step=None, notes=[]
    )
    console = Console(file=StringIO(), width=200)
    show_end(Run(run.path), outcome, Comparison([], "base", "tuned"), console)  # type: ignore[arg-type]
    assert "4 steps in 40 s with evaluations and saves, 100 tokens/s without them" in console.file.getvalue()  # type: ignore[attr-defined]


def the_end(run: Run) -> str:
    outcome = SimpleNamespace(steps=4, seconds=4.0, tokens=4, records=[], stopped_early=False, best_step=None, notes=[])
    console = Console(file=StringIO(), width=200)
    show_end(Run(run.path), outcome, Comparison([], "base", "tuned"), console)  # type: ignore[arg-type]
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (8.21, "lowest   step 0, validation loss 8.210, that of the base; of tuned weights 20.419 at step 24"),
        (20.5, "best     step 24, validation loss 20.419"),
        (None, "best     step 24, validation loss 20.419"),
    ],
)
def test_weights_that_are_worse_than_the_base_are_not_called_best(
    tmp_path: Path, base: float | None, words: str
) -> None:
    outcome = Outcome(
        steps=24, epochs=8.0, train_loss=22.0, validation_loss=20.419, best_step=24, best_validation_loss=20.419,
        base_validation_loss=base, stopped_early=False, resumed_from=None, seconds=1.0, tokens=1, loss_tokens=1,
        frozen=Frozen({}, 1, 1),
    )  # fmt: skip
    console = Console(file=StringIO(), width=200)
    show_end(made(tmp_path / "run"), outcome, Comparison([], "base", "tuned"), console)
    assert words in [line.strip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


def test_the_end_says_again_what_the_watch_found(tmp_path: Path) -> None:
    run = made(tmp_path / "run")
    finding = Finding("curve-spike", Verdict.WARN, "The loss has 1 spike.", "Why.", "Do.", {})
    report = WatchReport("warn", findings=[WatchFinding(LiveFinding(40, 31, finding))])
    run.write_json(run.watch, report.to_json())
    assert "watch    WARN curve-spike at step 40: The loss has 1 spike." in the_end(run)


@pytest.mark.parametrize("verdict", [Verdict.WARN, Verdict.PASS])
def test_what_was_forgotten_is_said_with_its_limit_and_a_warning_with_what_to_do(
    tmp_path: Path, verdict: Verdict
) -> None:
    run = made(tmp_path / "run")
    numbers = {"texts": 6, "text_rise": 0.333, "text_errors": 10.0}
    finding = Finding("model-forgets", verdict, "Text costs more.", remedy="Lower it.", numbers=numbers)
    finding.limits["rise"] = 0.25
    run.write_json(run.forgetting, {"finding": finding.to_json()})
    lines = [line.strip() for line in the_end(run).splitlines()]
    gauge = "███████░░░░░░░░░░░░░ +0.333 nats per token of general text (full bar: no rise; warns from +0.25)"
    if verdict is Verdict.PASS:
        assert f"forgetting  {gauge}" in lines and "Lower it." not in lines
    else:
        at = lines.index("forgetting  WARN model-forgets: Text costs more.")
        assert lines[at + 1 : at + 3] == [gauge, "Lower it."]
