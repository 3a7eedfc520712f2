"""The printed output of a Trainer, however Python prints its numbers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import Log


def printed(tmp_path: Path, lines: list[str]) -> Log:
    file = tmp_path / "train.log"
    file.write_text("\n".join(["Loading model...", *lines]) + "\n")
    (log,) = logs(file)
    return log


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.25", 1.25),
        ("'1.25'", 1.25),
        ("nan", math.nan),
        ("-inf", -math.inf),
        ("np.float64(1.25)", 1.25),
        ("numpy.float32(nan)", math.nan),
        ("float('nan')", math.nan),
        ("tensor(1.25, device='cuda:0', grad_fn=<NllLossBackward0>)", 1.25),
    ],
)
def test_a_printed_loss_counts_however_python_prints_it(tmp_path: Path, text: str, value: float) -> None:
    log = printed(tmp_path, ["{'loss': 1.5, 'epoch': 0.1}", f"{{'loss': {text}, 'epoch': 0.2}}"])
    assert [point.loss for point in log.curve().points] == pytest.approx([1.5, value], nan_ok=True)


@pytest.mark.parametrize("text", ["None", "True", "nan", "[1, 2]", "exit()"])
def test_a_printed_value_that_is_no_number_costs_no_record(tmp_path: Path, text: str) -> None:
    log = printed(tmp_path, [f"{{'loss': 1.5, 'other': {text}, 'epoch': {epoch}}}" for epoch in (0.1, 0.2)])
    assert [point.loss for point in log.curve().points] == [1.5, 1.5]


def test_losses_right_behind_their_bars_are_at_the_steps_of_those(tmp_path: Path) -> None:
    lines = [f"  5%|█    | {step}/4 [00:01<00:20]{{'loss': {step}.5, 'epoch': {step / 4}}}" for step in (1, 2, 3, 4)]
    log = printed(tmp_path, lines)
    assert [(point.step, point.loss) for point in log.curve().points] == [(1, 1.5), (2, 2.5), (3, 3.5), (4, 4.5)]
    assert not log.notes


def test_a_bar_that_was_kept_at_its_start_alone_is_no_place_of_a_loss(tmp_path: Path) -> None:
    """Output without the redrawn bars: only the first is left, and says what was planned."""
    lines = ["  0%|    | 0/40 [00:00<?, ?it/s]", *(f"{{'loss': {3 - i / 4}, 'epoch': {i / 2}}}" for i in range(1, 9))]
    log = printed(tmp_path, lines)
    assert [point.step for point in log.curve().points] == list(range(1, 9)) and log.total_steps is None
    whole = printed(tmp_path, [*lines, "{'train_runtime': 9.0, 'train_loss': 1.5, 'epoch': 4.0}"])
    assert [point.step for point in whole.curve().points] == list(range(5, 41, 5)) and whole.total_steps == 40


def learning_rates(steps: int, planned: int, warm: int) -> list[float]:
    return [1e-3 * min(step / warm, (planned - step) / (planned - warm)) for step in range(steps)]


@pytest.mark.parametrize(
    ("logged", "whole"),
    [
        (learning_rates(120, 360, 36), False),  # returned early, at 74 % of the peak
        (learning_rates(360, 360, 36), True),
        ([1e-3, 8e-4, 6e-4, 4e-4, 2e-4], True),  # logged seldom: one interval more and it is 0
        ([1e-3] * 60, True),  # constant: nothing says otherwise
        ([1e-3 - 1e-5 * step for step in range(91)], True),  # comes down to a tenth
    ],
)
def test_a_run_that_returned_is_whole_only_where_its_schedule_has_come_down(
    tmp_path: Path, logged: list[float], whole: bool
) -> None:
    lines = [f"{{'loss': 1.5, 'learning_rate': {lr}, 'epoch': {i / 10}}}" for i, lr in enumerate(logged, 1)]
    curve = printed(tmp_path, [*lines, "{'train_runtime': 9.0, 'train_loss': 1.5, 'epoch': 99}"]).curve()
    assert curve.finished == whole and curve.ended
    assert curve.total_steps == (len(logged) if whole else None)


def test_evaluations_between_two_printed_losses_keep_their_places(tmp_path: Path) -> None:
    """A trainer without bars prints no step; one that logs seldom evaluates several times in between."""
    lines = []
    for quarter in range(1, 9):
        lines += [f"{{'loss': {3 - quarter / 4}, 'epoch': {quarter / 4}}}"] if quarter % 4 == 0 else []
        lines += [f"{{'eval_loss': {3 - quarter / 8}, 'epoch': {quarter / 4}}}"]
    log = printed(tmp_path, [*lines, "{'train_runtime': 9.0, 'train_loss': 2.0, 'epoch': 2.0}"])
    curve = log.curve()
    assert [(one.step, one.loss) for one in curve.validation] == [(n, 3 - n / 8) for n in range(1, 9)]
    assert [point.step for point in curve.points] == [4, 8]
    assert any("distance between two epochs" in note for note in log.notes)


def test_printed_evaluations_without_a_training_loss_are_a_curve(tmp_path: Path) -> None:
    log = printed(tmp_path, [f"{{'eval_loss': {2 + n / 8}, 'epoch': {n / 2}}}" for n in range(1, 7)])
    assert [one.loss for one in log.curve().validation] == [2 + n / 8 for n in range(1, 7)]


def test_several_sets_that_are_evaluated_at_once_are_one_evaluation(tmp_path: Path) -> None:
    lines = ["{'loss': 2.0, 'epoch': 0.5}", "{'eval_a_loss': 1.0, 'epoch': 0.5}", "{'eval_b_loss': 1.5, 'epoch': 0.5}"]
    log = printed(tmp_path, [*lines, "{'loss': 1.9, 'epoch': 1.0}"])
    assert [point.step for point in log.curve().points] == [1, 2] and "logged losses" in log.notes[0]
