"""What people paste: copied tables, parts of files, mappings that a terminal has cut, and records printed twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import Log
from sanetune.curves.logs.plans import plans_in
from sanetune.errors import DataError


def pasted(tmp_path: Path, text: str, name: str = "pasted.txt") -> Log:
    (tmp_path / name).write_text(text)
    (log,) = logs(tmp_path / name)
    return log


TABLE = "Step\tTraining Loss\tValidation Loss\n20\t2.5\t2.25\n\n40\t2.0\t2.125\n60\t1.5\t2.0625\n"


def test_a_table_that_was_copied_from_a_notebook_is_its_log(tmp_path: Path) -> None:
    curve = pasted(tmp_path, f"It trains.\n[60/80 09:26 < 03:00, 1.0 it/s, Epoch 3/4]\n{TABLE}Done.\n").curve()
    assert [(point.step, point.loss, point.epoch) for point in curve.points] == [(20, 2.5, 1), (40, 2, 2), (60, 1.5, 3)]
    assert [one.loss for one in curve.validation] == [2.25, 2.125, 2.0625]
    assert (curve.total_steps, curve.sampled) == (80, True)


def test_the_summary_of_a_run_below_its_table_is_not_all_that_is_read(tmp_path: Path) -> None:
    summary = "TrainOutput(global_step=60, training_loss=1.9, metrics={'train_runtime': 9.0, 'train_loss': 1.9})\n"
    assert len(pasted(tmp_path, TABLE + summary).curve().points) == 3
    (tmp_path / "alone.txt").write_text(summary)
    with pytest.raises(DataError, match="summary of a run alone"):
        logs(tmp_path / "alone.txt")


def test_what_a_trainer_prints_before_its_first_step_is_the_plan(tmp_path: Path) -> None:
    banner = "   \\\\   /|    Num examples = 4,000 | Num Epochs = 2 | Total steps = 1,000\n"
    banner += "O^O/ \\_/ \\    Batch size per device = 2 | Total batch size (2 x 4 x 1) = 8\n"
    curve = pasted(tmp_path, banner + TABLE).curve()
    assert (curve.total_steps, curve.points[0].epoch) == (1000, 0.04)
    lines = "Num examples = 1600\nTotal train batch size (w. parallel) = 8\nTotal optimization steps = 400\n" + "".join(
        f"{{'loss': {3 - epoch}, 'epoch': {epoch}}}\n" for epoch in (0.25, 0.5, 0.75)
    )
    curve = pasted(tmp_path, lines).curve()
    assert [point.step for point in curve.points] == [50, 100, 150] and curve.total_steps == 400


@pytest.mark.parametrize(
    ("bar", "per_epoch"),
    [
        ("[60/60 01:07, Epoch 20/20]", 3.0),
        ("[5604/5604 1:30:06, Epoch 3/4]", 1401.0),
        ("[60/60 02:56, Epoch 1/2]", None),  # a maximum of steps, in the second epoch
        ("[30/60 01:07 < 01:00, 1.0 it/s, Epoch 0.75/2]", 40.0),
        ("[60/60 08:54, Epoch 0/1]", None),
    ],
)
def test_an_epoch_has_the_steps_that_a_bar_says_for_sure(bar: str, per_epoch: float | None) -> None:
    (plan,) = plans_in(bar)
    assert plan.per_epoch == per_epoch


def test_a_part_of_a_json_log_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = json.dumps([{"epoch": i / 4, "loss": 3 - i / 4, "step": 10 * i} for i in range(1, 7)], indent=2)
    part = whole[whole.index("{", 10) : whole.rindex("{")]
    assert [point.step for point in pasted(tmp_path, part).curve().points] == [20, 30, 40, 50]


def test_a_mapping_that_a_terminal_has_cut_is_read_up_to_the_cut(tmp_path: Path) -> None:
    lines = []
    for n in range(1, 5):
        lines += [f"{{'loss': {3 - n / 4}, 'epoch': {n / 4}}}"]
        lines += [f"{{'eval_loss': {3 - n / 8}, 'epoch': {n / 4}, 'eval_runtime': 2159.3, 'eval_step"]
    curve = pasted(tmp_path, "\n".join(lines) + "\n").curve()
    assert [one.loss for one in curve.validation] == [3 - n / 8 for n in range(1, 5)]
    assert [point.loss for point in curve.points] == [3 - n / 4 for n in range(1, 5)]


def test_a_record_that_two_callbacks_print_is_one(tmp_path: Path) -> None:
    lines = []
    for n in range(1, 5):
        lines += [f"INFO - callbacks: {{'loss': {3 - n / 4:.4f}, 'learning_rate': 5.0000e-05, 'epoch': {n / 4:.2f}}}"]
        lines += [f"{{'loss': {3 - n / 4}, 'grad_norm': 0.5, 'learning_rate': 4.9999e-05, 'epoch': {n / 4}}}"]
    curve = pasted(tmp_path, "\n".join(lines) + "\n").curve()
    assert [(point.step, point.loss, point.grad_norm) for point in curve.points] == [
        (n, 3 - n / 4, 0.5) for n in range(1, 5)
    ]


def test_bars_behind_all_losses_do_not_say_how_long_the_training_was(tmp_path: Path) -> None:
    lines = "".join(f"{{'loss': {3 - epoch}, 'epoch': {epoch}}}\n" for epoch in (0.5, 1.0, 1.5, 2.0))
    bars = "\n".join(f" 20%|██  | {step}/500 [06:52<28:05,  4.21s/it]" for step in (100, 101, 111))
    end = "{'train_runtime': 9.0, 'train_loss': 1.5, 'epoch': 2.0}\n"
    assert pasted(tmp_path, f"{lines}{bars}\n{end}").total_steps is None


@pytest.mark.parametrize("name", ["README.md", "notes.txt"])
def test_the_name_of_a_text_does_not_matter(tmp_path: Path, name: str) -> None:
    text = "| Step | Loss |\n|---|---|\n| 10 | 2.5 |\n| 20 | 2.0 |\n"
    assert [point.step for point in pasted(tmp_path, text, name).curve().points] == [10, 20]
