"""Several runs, or a resumed one, in one printed output with progress bars: each loss has the step of its own bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import Log

PER_EPOCH = 100
END = "{'train_runtime': '9.0', 'train_loss': '1.5', 'epoch': '1'}"


def bar(step: int, total: int) -> str:
    return f"\r {100 * step // total:2}%|█         | {step}/{total} [00:09<00:09,  9.60it/s]"


def printed(first: int, last: int, total: int, *, every: int = 1, ended: bool = True) -> str:
    """What a Trainer prints and draws from step ``first`` to ``last``, with an evaluation every ten steps. The loss of
    a step is its number, so that a wrong place shows."""
    text = bar(0, total)
    for step in range(first, last + 1):
        text += bar(step, total)
        if step % every == 0:
            text += f"\r       \r{{'loss': '{step}.5', 'grad_norm': '1.0', 'epoch': '{step / PER_EPOCH:.4g}'}}\n"
            text += bar(step, total)
        if step % 10 == 0:
            text += f"\n{bar(0, 5)}{bar(5, 5)}\n{{'eval_loss': '{step}.25', 'epoch': '{step / PER_EPOCH:.4g}'}}\n"
            text += bar(step, total)
    return f"{text}\r      \r{END}\n{bar(last, total)}\n" if ended else f"{text}Killed\n"


def read(tmp_path: Path, *parts: str) -> list[Log]:
    file = tmp_path / "train.log"
    file.write_text("Loading model...\n" + "Loading model...\n".join(parts), encoding="utf-8")
    return logs(file)


def check_steps(log: Log, steps: Sequence[int]) -> None:
    """The steps are these, and each loss is the one of its step."""
    curve = log.curve()
    assert [point.step for point in curve.points] == list(steps)
    assert all(point.loss == point.step + 0.5 for point in curve.points)
    assert all(one.loss == one.step + 0.25 for one in curve.validation)


@pytest.mark.parametrize(("total", "every"), [(60, 1), (60, 5), (240, 1), (30, 10)])
def test_runs_after_one_another_are_logs_of_their_own(tmp_path: Path, total: int, every: int) -> None:
    first, second = read(tmp_path, printed(1, 60, 60), printed(1, 30, total, every=every))
    check_steps(first, range(1, 61))
    check_steps(second, range(every, 31, every))
    assert (first.total_steps, second.total_steps) == (60, total)
    assert (first.title, second.title) == ("run 1 of 2", "run 2 of 2")
    assert len(first.curve().validation) == 6 and len(second.curve().validation) == 3


@pytest.mark.parametrize("total", [60, 90])
def test_steps_that_a_resumed_run_has_made_again_are_told_and_the_last_count(tmp_path: Path, total: int) -> None:
    (log,) = read(tmp_path, printed(1, 40, 60, ended=False), printed(31, 60, total))
    check_steps(log, range(1, 61))
    assert log.total_steps == total
    assert any("Steps 31 to 40" in note and "resumed" in note for note in log.notes)


def test_a_run_that_went_on_for_more_steps_after_its_end_is_one(tmp_path: Path) -> None:
    (log,) = read(tmp_path, printed(1, 40, 40), printed(41, 80, 80))
    check_steps(log, range(1, 81))
    assert log.total_steps == 80 and not log.notes


def test_a_start_that_failed_after_its_first_loss_is_no_part_of_the_run_after_it(tmp_path: Path) -> None:
    *_, run = read(tmp_path, printed(5, 5, 60, ended=False, every=5), printed(1, 60, 60, every=5))
    check_steps(run, range(5, 61, 5))


@pytest.mark.parametrize("prefix", ["[default0]:", "2026-12-01T04:13:{}.000Z stdout F ", "INFO {} "])
def test_what_a_launcher_puts_before_each_line_hides_no_bar(tmp_path: Path, prefix: str) -> None:
    lines = printed(1, 20, 60).replace("\r", "\n").split("\n")
    (log,) = read(tmp_path, "".join(f"{prefix.format(place)}{line}\n" for place, line in enumerate(lines)))
    check_steps(log, range(1, 21))
    assert log.total_steps == 60 and not log.notes
