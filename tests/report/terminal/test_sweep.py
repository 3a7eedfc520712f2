"""What a terminal shows of a sweep."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from sanetune.commands import typed
from sanetune.curves.series import Evaluation
from sanetune.events import SweepTrialMade
from sanetune.report.terminal.sweep import TrialLines, show
from sanetune.workflows.sweep.result import Sweep
from tests.workflows.sweep.made import sweep, trial


def drawn(found: Sweep) -> str:
    out = io.StringIO()
    with typed("my run.yaml"):
        show(found, Console(file=out, width=100, color_system=None))
    return out.getvalue()


def some() -> Sweep:
    bad = trial(1.0, math.nan, state="diverged", reason="the loss is not a number at step 3")
    rest = [trial(1e-4, 2.0, noise=0.01, seed=1), trial(1e-3, 1.0, noise=0.01), bad]
    return sweep(*rest, fixed=["train.seed=3"], critical_lr=0.02, probe_steps=21.3)


def test_it_shows_each_trial_the_verdict_and_what_to_write() -> None:
    text = drawn(some())
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "3 trials of 10 steps, compared on 8 validation rows" in text
    assert "critical learning rate 2e-02, found in 21 steps' time" in text
    assert "Verdict: learning_rate=0.001 is best." in text
    assert "diverged: the loss is not a number at step 3" in " ".join(text.split())
    assert "told apart" in text
    assert "train:\n  seed: 3\n  learning_rate: 0.001" in text
    assert "sanetune train 'my run.yaml' train.seed=3 train.learning_rate=0.001" in text


def test_the_lowest_loss_by_learning_rate_is_furthest_to_the_left() -> None:
    lines = [line for line in drawn(some()).splitlines() if line.startswith(("     1e-04", "     1e-03"))]
    assert lines[0].index("●") > lines[1].index("●")
    assert "lowest" in lines[1]


def test_the_loss_of_a_trial_that_ended_early_is_marked_and_is_no_lowest_one() -> None:
    seed = {"train.seed": 2}
    early = [trial(1e-3, 0.5, state="pruned", changes=seed), trial(1e-2, 2.5, state="diverged")]
    text = drawn(sweep(trial(1e-4, 1.2), trial(1e-3, 1.0), *early))
    assert "Final loss by learning rate (○: did not make all its steps)" in text
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("     1e-0")}
    ends = {lr: row.split(maxsplit=1)[1].strip(" ●○") for lr, row in rows.items()}
    assert ends == {"1e-04": "1.200", "1e-03": "1.000  lowest", "1e-02": "2.500  diverged"}
    assert [mark for mark in rows["1e-03"] if mark in "○●"] == ["○", "●"]


def test_trials_that_all_diverged_are_at_places_of_their_own() -> None:
    text = drawn(sweep(trial(3.0, 417.0, state="diverged"), trial(5.0, 1152.0, state="diverged")))
    rows = [line for line in text.splitlines() if line.startswith(("     3e+00", "     5e+00"))]
    assert rows[0].index("○") < rows[1].index("○")
    [axis] = [line for line in text.splitlines() if line.split() == ["417.000", "1152.000"]]
    assert axis


def test_the_end_of_the_axis_says_that_losses_above_it_are_there() -> None:
    text = drawn(sweep(trial(1e-3, 1.0), trial(3.0, 505.0, state="diverged")))
    assert any(line.split() == ["1.000", "3.000", "or", "more"] for line in text.splitlines())


def test_an_interval_without_0_beside_not_told_apart_is_explained() -> None:
    words = "told apart is what also holds for all pairs of trials (Holm)"
    near = sweep(*(trial(10.0**-k, 1 + 0.02 * k, noise=0.045, seed=k) for k in range(1, 5)))
    assert any(one.interval_alone for one in near.against_best())
    assert words in " ".join(drawn(near).split())
    assert words not in " ".join(drawn(some()).split())


def test_trials_of_one_learning_rate_and_loss_do_not_hide_each_other() -> None:
    both = [trial(1e-3, 1.0, changes={"model.adapter.r": r}) for r in (8, 32)]
    text = drawn(sweep(trial(1e-2, 2.0), *both))
    assert "Final loss by learning rate (*: several trials)" in text and "* several" in text
    assert "learning_rate=0.001, lora_r=8" in text
    assert "several trials" not in drawn(some())


def test_what_is_to_be_written_changes_the_type_of_an_adapter_alone_and_has_its_settings() -> None:
    changes = {"model.adapter.r": 4, "model.adapter": "lora"}
    text = drawn(sweep(trial(1e-3, 1.0, changes=changes), fixed=["model.adapter.alpha=8"]))
    assert "  adapter:\n    alpha: 8\n    type: lora\n    r: 4\n" in text
    assert "model.adapter.alpha=8 model.adapter.type=lora train.learning_rate=0.001 model.adapter.r=4" in " ".join(
        text.split()
    )


def test_without_a_trial_that_made_its_steps_nothing_is_advised() -> None:
    text = drawn(sweep(trial(1.0, math.nan, state="diverged")))
    assert "no trial made all its steps" in text
    assert "To use it" not in text


@pytest.mark.parametrize(
    ("split", "words"), [("validation", "1 validation row\n"), ("train", "1 training row that was held out\n")]
)
def test_one_row_is_called_a_row(split: str, words: str) -> None:
    found = replace(sweep(trial(1e-3, 1.0)), start=Evaluation.of(0, [30.0], [10]), split=split)
    assert f"1 trial of 10 steps, compared on {words}" in drawn(found)


def test_a_line_says_of_each_trial_how_it_ended() -> None:
    out = io.StringIO()
    lines = TrialLines(Console(file=out, width=200, color_system=None))
    lines(SweepTrialMade(trial(1e-3, 1.0, seconds=12.0), 1, 3, True))
    lines(SweepTrialMade(trial(1e-2, 9.0, state="pruned"), 2, 3, True))
    lines(SweepTrialMade(trial(1e-1, 1.0), 3, 3, False))
    assert out.getvalue().splitlines() == [
        "trial 1 of 3: learning_rate=0.001: validation loss 1.000 (12 s)",
        "trial 2 of 3: learning_rate=0.01: ended early at step 10 (0 ms)",
        "trial 3 of 3: learning_rate=0.1: validation loss 1.000 (made before)",
    ]


def test_trials_that_an_earlier_sweep_has_made_can_be_left_out() -> None:
    for again, lines in ((True, 2), (False, 1)):
        out = io.StringIO()
        show_trial = TrialLines(Console(file=out, width=100), again=again)
        for made_now in (True, False):
            show_trial(SweepTrialMade(trial(1e-3, 1.0), 1, 2, made_now))
        assert len(out.getvalue().splitlines()) == lines
