"""A run is watched: injected rows are named, a failing curve stops it with a checkpoint, a turn keeps the best."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanetune import api
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.demo import MODEL
from sanetune.engine import checkpoints, step_log
from sanetune.engine.metrics import read
from sanetune.errors import RunError
from sanetune.events import Event, Note, WatchFired
from sanetune.finding import GateError
from sanetune.gate.watch_report import WatchReport
from sanetune.runs import Run
from sanetune.workflows.train import train

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS, BATCH, INJECTED = 26, 2, (24, 25)
"""Rows 24 and 25 are those of step 13 in the order of the file."""


def row(number: int, answer: str | None = None) -> dict[str, Any]:
    names = ("Hana", "Nell", "Aiko", "Dora", "Karla")
    name = names[number % len(names)]
    return {
        "messages": [
            {"role": "user", "content": f"Hello, this is {name}. Is the shop open?"},
            {"role": "assistant", "content": answer or f"Hello {name},\n\nthank you for your message. It is open."},
        ]
    }


def garbage(number: int) -> str:
    letters = random.Random(number)
    return " ".join("".join(letters.choice("qxzjkvw") for _ in range(9)) for _ in range(6))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Config]:
    """Builds a configuration of a run in the order of its file, evaluated never."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sanetune.probes.prompts.FEWEST", 4)

    def build(rows: list[dict[str, Any]], *overrides: str, **given: Any) -> Config:
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
        values = {
            "max_steps": STEPS, "per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1,
            "learning_rate": 1e-4, "lr_scheduler_type": "constant", "warmup_steps": 0, "save_steps": 6,
            "save_strategy": "steps", "logging_steps": 2, "train_sampling_strategy": "sequential",
        }  # fmt: skip
        return load(
            {
                "model": {"name": str(MODEL)},
                "data": {"train": str(tmp_path / "rows.jsonl"), "holdout": 0},
                "train": values | given,
                # The small model of the demo has never seen such rows.
                "check": {"ignore": ["curve-start-high"]},
                "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
            },
            overrides,
        )

    return build


def report_of(run: Run) -> WatchReport:
    report = WatchReport.from_json(run.read_json(run.watch))
    assert report.to_json() == run.read_json(run.watch)
    return report


def test_the_rows_of_a_spike_are_the_injected_ones_with_file_and_line(
    config: Callable[..., Config], tmp_path: Path
) -> None:
    rows = [row(i, garbage(i) if i in INJECTED else None) for i in range(STEPS * BATCH)]
    events: list[Event] = []
    result = train(config(rows, learning_rate=1e-3), publish=events.append)
    report = report_of(result.run)
    (spike,) = [one for one in report.findings if one.live.finding.check == "curve-spike"]
    assert spike.live.at == 13 and spike.live.step <= 13 + 20
    assert sorted((one["file"], one["line"]) for one in spike.rows) == [
        (str(tmp_path / "rows.jsonl"), 25),
        (str(tmp_path / "rows.jsonl"), 26),
    ]
    assert spike.weights == f"the weights after step {spike.live.step}"
    assert all(garbage(24)[:20] in one["text"] or garbage(25)[:20] in one["text"] for one in spike.rows)
    assert [event.finding.live.finding.check for event in events if isinstance(event, WatchFired)] == [
        one.live.finding.check for one in report.findings
    ]
    assert report.ended is None and result.run.finished
    # The log of steps has every row once, and the losses of the records are the means of its steps.
    steps = list(step_log.read(step_log.files(result.run.steps)[0]))
    assert [one.rows for one in steps] == [(2 * i, 2 * i + 1) for i in range(STEPS)]
    for record in (one for one in read(result.run.metrics) if one.kind == "train" and one.step > 2):
        mean = (steps[record.step - 2].loss + steps[record.step - 1].loss) / 2
        assert record.loss == pytest.approx(mean, rel=1e-5)


def test_how_a_run_begins_stops_it_unless_it_was_accepted_as_unchecked(
    config: Callable[..., Config], tmp_path: Path
) -> None:
    rows = [row(i) for i in range(STEPS * BATCH)]
    with pytest.raises(GateError, match="curve-start-high"):
        train(config(rows, "check.ignore=[]"))
    again = config(rows, "check.ignore=[]", f"run.output_dir={tmp_path / 'again'}")
    result = api.train(again, unchecked="a test of the watch's own")
    (high,) = [one.live.finding for one in report_of(result.run).findings]
    assert (high.check, high.verdict.value) == ("curve-start-high", "warn") and result.run.finished


def test_a_run_that_diverges_stops_with_a_checkpoint_and_goes_on_only_when_it_is_meant(
    config: Callable[..., Config], tmp_path: Path
) -> None:
    rows = [row(i) for i in range(STEPS * BATCH)]
    with pytest.raises(GateError, match="curve-diverged") as caught:
        train(config(rows, learning_rate=3.0))
    assert caught.value.exit_code == 1
    run = Run(tmp_path / "run")
    ended = report_of(run).ended
    assert ended is not None and ended.course == "stop" and "curve-diverged" in ended.checks
    assert ended.step <= 20 and not run.finished
    last = checkpoints.latest(run.checkpoints)
    assert last is not None and checkpoints.step_of(last) == ended.step == ended.checkpoint
    with pytest.raises(RunError, match=rf"stopped this run after step {ended.step}: curve-diverged") as refused:
        train(config(rows, learning_rate=3.0), resume=True)
    assert "--resume check.watch=warn" in refused.value.remedy
    result = train(config(rows, "check.watch=warn", learning_rate=3.0), resume=True)
    assert result.outcome.resumed_from == ended.step and result.outcome.steps == STEPS
    again = report_of(run)
    assert again.mode == "warn" and again.ended is None
    assert [one.live.step for one in again.findings if one.live.finding.check == "curve-diverged"] == [ended.step]
    assert [one.step for one in step_log.read(step_log.files(run.steps)[0])] == list(range(1, STEPS + 1))


# With 1, saves come between the step that breaks and the judgement.
@pytest.mark.parametrize(("every", "saved"), [(6, [6]), (1, [5, 6, 7])])
def test_weights_that_are_no_numbers_are_not_saved_and_rows_are_measured_with_the_last_that_are(
    config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int, saved: list[int]
) -> None:
    import torch

    from sanetune.engine.trl.trainer import Trainer

    usual = Trainer.compute_loss

    def broken(self: Trainer, *args: Any, **more: Any) -> torch.Tensor:
        """At step 8 one batch sends every weight to NaN, as an overflow does."""
        loss = usual(self, *args, **more)
        return loss * torch.nan if self.state.global_step == 7 else loss

    monkeypatch.setattr(Trainer, "compute_loss", broken)
    rows = [row(i) for i in range(STEPS * BATCH)]
    run = Run(tmp_path / "run")
    with pytest.raises(GateError, match="curve-nan"):
        train(config(rows, save_steps=every))
    report = report_of(run)
    assert report.ended is not None and report.ended.checkpoint == saved[-1]
    assert run.steps_saved == saved
    (nan,) = [one for one in report.findings if one.live.finding.check == "curve-nan"]
    assert nan.live.at == 8 and nan.live.step <= 8 + 20
    assert [one["number"] for one in sorted(nan.rows, key=lambda one: one["number"])] == [14, 15]
    assert nan.weights == f"checkpoint-{saved[-1]}" and all(0 < one["loss"] < 20 for one in nan.rows)


def test_a_validation_loss_that_turns_ends_the_run_with_its_best_weights(
    config: Callable[..., Config], tmp_path: Path
) -> None:
    from sanetune.engine.loss import measure

    rows = [row(i, f"Hello, the code is {garbage(i)[:9]}.") for i in range(16)]
    settings = config(
        rows, "data.holdout=0.5", max_steps=200, learning_rate=2e-3, eval_strategy="steps", eval_steps=4,
        save_strategy="steps", save_steps=50, load_best_model_at_end=False,
    )  # fmt: skip
    result = train(settings)
    ended = report_of(result.run).ended
    assert ended is not None and ended.course == "turn" and ended.checks == ("curve-overfit",)
    assert result.outcome.stopped_early and result.outcome.steps == ended.step < 200
    losses = {one.step: one.loss for one in result.outcome.records if one.kind == "validation"}
    lowest = min(losses, key=losses.__getitem__)
    assert ended.checkpoint == lowest
    from sanetune.data.prepare import prepare

    prepared = prepare(settings)
    assert prepared.validation is not None and result.outcome.model is not None
    found = measure(result.outcome.model, prepared.validation, prepared.collator).loss
    assert found == pytest.approx(losses[lowest], rel=1e-4)


def test_off_watches_nothing_and_keeps_the_steps(config: Callable[..., Config], tmp_path: Path) -> None:
    events: list[Event] = []
    rows = [row(i) for i in range(8)]
    result = train(config(rows, "check.watch=off", max_steps=4, learning_rate=3.0), publish=events.append)
    assert result.run.finished and not result.run.watch.exists()
    assert step_log.step_of(result.run.steps, 3) is not None
    assert not [event for event in events if isinstance(event, WatchFired | Note)]
