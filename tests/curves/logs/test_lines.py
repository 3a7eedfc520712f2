"""Losses in lines of names and numbers, as the programs print them, and what is no log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.curves.logs.find import logs
from sanetune.curves.logs.lines import runs_in
from sanetune.curves.logs.log import Log
from sanetune.errors import DataError


def printed(tmp_path: Path, text: str) -> Log:
    (tmp_path / "train.log").write_text(text)
    (log,) = logs(tmp_path / "train.log")
    return log


FORMS = {
    "torchtune": "Step {step} | loss:{loss} lr:2e-05 tokens_per_second_per_gpu:57.8",
    "litgpt": "Epoch 1 | iter {iteration} step {step} | loss train: {loss}, val: n/a | iter time: 45.7 ms",
    "litgpt before": "iter {iteration} step {step}: loss {loss}, iter time: 187.97ms (optimizer.step)",
    "mlx": "Iter {step}: Train loss {loss}, Learning Rate 2.000e-05, It/sec 1.02, Trained Tokens 862",
    "mmengine": "2024/05/07 11:17:20 - mmengine - INFO - Iter(train) [  {step}/90]  lr: 2e-05  eta: 1:41:54"
    "  memory: 13995  loss: {loss}  grad_norm: 0.5",
    "mmengine by epochs": "10/30 22:18:02 - mmengine - INFO - Epoch(train) [1][{step}/90]  lr: 2e-05  loss: {loss}",
    "verl": "step:{step} - perf/max_memory_allocated_gb:41.29 - train/loss:{loss} - train/lr:2e-05 - train/mfu:0.3",
    "llama.cpp": "train_opt_callback: iter= {step} sample=72/5608 sched=0.7 loss={loss} dt=00:04:59 eta=03:29:33 |--->",
    "nanoGPT": "[2023-08-03 17:34:50,662][trainer][INFO] - [RANK 0] iter {step}: loss {loss}, time 111.79s",
    "tqdm": "Training:  7%|█▌       | {step}/90 [00:03<00:41, 1.9it/s, loss={loss}]",
    "Lightning": "Epoch 0:  7%|█▌  | {step}/90 [00:03<00:41, 1.9it/s, v_num=0, train_loss={loss}]",
    "a loop": "Epoch 3, global step {step}, total step 90, train lm loss: {loss}",
}


@pytest.mark.parametrize("program", FORMS)
def test_the_lines_of_a_program_are_its_losses_by_step(tmp_path: Path, program: str) -> None:
    losses = [2.5 - 0.0625 * step for step in range(10)]
    lines = [FORMS[program].format(step=step, iteration=step, loss=loss) for step, loss in enumerate(losses, 70)]
    curve = printed(tmp_path, "\n".join(["Loading model, loss scale: 65536", *lines])).curve()
    assert [(point.step, point.loss) for point in curve.points] == [(70 + n, loss) for n, loss in enumerate(losses)]
    assert not curve.validation
    assert all(point.lr in (None, 2e-5) for point in curve.points)


def test_validation_losses_of_lines_are_evaluations(tmp_path: Path) -> None:
    lines = [
        "Iter 1: Val loss 2.480, Val took 0.732s",
        *(f"Iter {10 * i}: Train loss {2.5 - i / 10}, It/sec 1.0" for i in range(1, 6)),
        "Iter 50: Val loss 2.125, Val took 0.7s",
        "Iter 50: Saved adapter weights to adapters.npz.",
    ]
    curve = printed(tmp_path, "\n".join(lines)).curve()
    assert [(one.step, one.loss) for one in curve.validation] == [(1, 2.48), (50, 2.125)]
    assert [point.step for point in curve.points] == [10, 20, 30, 40, 50]


@pytest.mark.parametrize(
    "evaluated",
    ["[Valid] step {step} loss {loss}", "EVAL step {step}: loss={loss}", "Validation - step {step} Loss: {loss}"],
)
def test_a_line_that_begins_with_validation_is_of_it(tmp_path: Path, evaluated: str) -> None:
    lines = []
    for step in range(1, 5):
        lines += [f"[Train] step {step} loss {3 - step / 8}", evaluated.format(step=step, loss=3 - step / 16)]
    curve = printed(tmp_path, "\n".join(lines)).curve()
    assert [point.loss for point in curve.points] == [3 - step / 8 for step in range(1, 5)]
    assert [one.loss for one in curve.validation] == [3 - step / 16 for step in range(1, 5)]


def test_a_name_with_such_a_word_in_every_line_says_nothing(tmp_path: Path) -> None:
    lines = [f"test INFO step {step} loss {3 - step / 8}" for step in range(1, 5)]
    assert len(printed(tmp_path, "\n".join(lines)).curve().points) == 4


@pytest.mark.parametrize(
    "line", ["Average loss at step {step}: {loss}", "Loss after epoch {step}: {loss}", "step 1,{step}00 loss {loss}"]
)
def test_a_step_is_not_taken_for_a_loss(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.log").write_text("\n".join(line.format(step=step, loss=2.5) for step in range(1, 5)))
    try:
        (log,) = logs(tmp_path / "a.log")
    except DataError:
        return
    assert [(point.step, point.loss) for point in log.curve().points] == [(1000 + 100 * n, 2.5) for n in range(1, 5)]


@pytest.mark.parametrize("line", ["Step [{step}/600] loss: {loss}", "of " + "9" * 400 + " step {step} loss {loss}"])
def test_totals_of_an_epoch_and_odd_numbers_are_no_length_of_a_run(tmp_path: Path, line: str) -> None:
    lines = [
        f"Epoch {epoch} " + line.format(step=step, loss=3 - epoch - step / 1e4)
        for epoch in (0, 1)
        for step in range(100, 601, 100)
    ]
    log = printed(tmp_path, "\n".join(lines))
    assert log.total_steps is None and log.curve().points


def test_lines_without_steps_whose_epoch_goes_back_are_several_runs(tmp_path: Path) -> None:
    run = "".join(f"Epoch {epoch}/9 - loss: {3 - epoch / 8}\n" for epoch in range(1, 6))
    (tmp_path / "a.log").write_text(run * 2)
    assert [len(log.curve().points) for log in logs(tmp_path / "a.log")] == [5, 5]


def test_a_word_before_a_colon_is_not_part_of_the_next_name(tmp_path: Path) -> None:
    lines = [f"[trainer] eval: train loss {3 - i / 8}, val loss {3 - i / 16}" for i in range(4)]
    curve = printed(tmp_path, "\n".join(lines)).curve()
    assert [point.loss for point in curve.points] == [3 - i / 8 for i in range(4)]
    assert [one.loss for one in curve.validation] == [3 - i / 16 for i in range(4)]


def test_a_validation_loss_that_each_line_repeats_is_one_evaluation(tmp_path: Path) -> None:
    lines = [f"Epoch 0 | iter {i} step {i} | loss train: {3 - i / 8}, val: {2.5 if i < 6 else 2.25}" for i in range(12)]
    curve = printed(tmp_path, "\n".join(lines)).curve()
    assert [(one.step, one.loss) for one in curve.validation] == [(0, 2.5), (6, 2.25)]


def test_losses_of_iterations_are_those_of_their_step(tmp_path: Path) -> None:
    lines = [f"iter {i} step {i // 2}: loss {3 - i / 16}, iter time: 1ms" for i in range(20)]
    curve = printed(tmp_path, "\n".join(lines)).curve()
    assert [point.step for point in curve.points] == list(range(10))
    assert curve.points[1].loss == (3 - 2 / 16 + 3 - 3 / 16) / 2
    # In a short part the iterations say more than the few steps.
    few = printed(tmp_path, "\n".join(lines[:6])).curve()
    assert [point.step for point in few.points] == list(range(6))


def test_steps_that_begin_anew_with_each_epoch_go_on(tmp_path: Path) -> None:
    lines = [f"Epoch {epoch}, Step {step}, Loss: {3 - epoch - step / 8}" for epoch in (1, 2) for step in range(5)]
    curve = printed(tmp_path, "\n".join(lines)).curve()
    steps = [point.step for point in curve.points]
    assert steps == sorted(steps) and len(curve.points) >= 9
    assert curve.points[-1].loss == 0.5


def bar(step: int, loss: float, total: int = 40) -> str:
    return f"{step * 100 // total}%|###   | {step}/{total} [00:0{step % 10}<00:10,  2.0it/s, loss={loss:.3f}]\r"


def test_bars_to_the_same_end_whose_loss_goes_on_are_epochs_of_one_run(tmp_path: Path) -> None:
    course = [bar(step, 3 - epoch / 2 - step / 100) for epoch in range(3) for step in range(5, 41, 5)]
    log = printed(tmp_path, "".join(course))
    assert [point.step for point in log.curve().points] == list(range(5, 121, 5))
    assert log.entries[-1]["epoch"] == 3 and log.total_steps is None


@pytest.mark.parametrize(
    "second",
    [
        [bar(step, 3 - step / 100) for step in range(5, 41, 5)],  # begins where the first had begun
        [bar(step, 2.5 - step / 100, 60) for step in range(5, 61, 5)],  # has another end
    ],
)
def test_bars_of_several_runs_are_told_apart(tmp_path: Path, second: list[str]) -> None:
    first = [bar(step, 3 - step / 100) for step in range(5, 41, 5)]
    (tmp_path / "a.log").write_text("".join(first + second))
    assert [len(log.curve().points) for log in logs(tmp_path / "a.log")] == [len(first), len(second)]


def test_a_bar_that_ended_early_is_a_run_of_its_own(tmp_path: Path) -> None:
    first = [bar(step, 3 - step / 100) for step in range(5, 21, 5)]
    second = [bar(step, 2.8 - step / 100) for step in range(5, 41, 5)]
    (tmp_path / "a.log").write_text("".join(first + second))
    assert [len(log.curve().points) for log in logs(tmp_path / "a.log")] == [4, 8]


def test_lines_without_a_step_are_counted_and_say_so(tmp_path: Path) -> None:
    lines = [f"2023-09-29 20:16:0{i},559 backprop done, loss after forward pass = {1.5 - i / 16}" for i in range(5)]
    log = printed(tmp_path, "\n".join(lines))
    assert [point.step for point in log.curve().points] == [1, 2, 3, 4, 5]
    assert any("do not say at which step" in note for note in log.notes)


def test_a_loss_of_zero_before_the_first_batch_is_none(tmp_path: Path) -> None:
    lines = ["iter= 0 loss=0.000000 |->", *(f"iter= {i} loss={3 - i / 8} |->" for i in range(1, 5))]
    assert [point.step for point in printed(tmp_path, "\n".join(lines)).curve().points] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "text",
    [
        "loss scale: 65536\n" * 9,
        "The loss was 0.5 at step 3, and then 0.4.\nIt is good.\n",
        "aux_loss: 0.5\nz_loss: 0.1\nloss/coef: 3\n" * 3,
        "Epoch 1/3\nAccuracy 0.9\n" * 5,
    ],
)
def test_what_says_no_loss_is_no_log(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.log").write_text(text)
    with pytest.raises(DataError, match="no losses are printed"):
        logs(tmp_path / "train.log")


@given(st.text(alphabet="los:=step iter0123456789.e-/[]|,()\n ", max_size=400))
def test_no_text_stops_the_reader(text: str) -> None:
    for log in runs_in(Path("a.log"), text):
        assert log.curve().points or log.curve().validation


def test_a_long_line_costs_little(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("loss " + "a b " * 200_000 + "\n" + "step 1: loss 2.0\n" * 3)
    assert logs(tmp_path / "a.log")


@pytest.mark.parametrize(("line", "norm"), [
    ("step {step:>2}/40  epoch 0.51  loss {loss}  lr 7.7e-05  norm 2.52  232 tok/s  19 s left", 2.52),
    ("step {step}: loss {loss}, norm 2.52", None),
])  # fmt: skip
def test_the_norm_that_sanetune_prints_is_the_gradients_and_a_bare_one_of_others_is_unknown(
    tmp_path: Path, line: str, norm: float | None
) -> None:
    log = printed(tmp_path, "\n".join(line.format(step=step, loss=3 - step / 20) for step in range(1, 40)))
    assert {point.grad_norm for point in log.curve().points} == {norm}
