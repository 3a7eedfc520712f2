"""Logs in the forms that people's files have: any encoding, truncated, stood in for, by epoch, numbers as texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torch.utils.tensorboard import SummaryWriter

from sanetune.curves.logs.find import logs
from sanetune.errors import DataError

LOSSES = [2.5, 2.0, 1.75, 1.5]
ROWS = [{"loss": loss, "epoch": 0.5 * i, "step": 10 * i} for i, loss in enumerate(LOSSES, 1)]
STATE = json.dumps({"log_history": ROWS, "max_steps": 40, "global_step": 40})
LINES = "\n".join(map(json.dumps, ROWS))
TABLE = "step,loss\n" + "".join(f"{row['step']},{row['loss']}\n" for row in ROWS)
FILES = {
    "trainer_state.json": STATE, "log.json": json.dumps(ROWS), "a.jsonl": LINES, "lines.json": LINES, "a.csv": TABLE,
}  # fmt: skip


def losses(path: Path) -> list[float]:
    (log,) = logs(path)
    return [point.loss for point in log.curve().points]


def refusal(path: Path) -> DataError:
    with pytest.raises(DataError) as error:
        logs(path)
    return error.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", FILES)
def test_a_log_is_read_in_whatever_encoding_it_was_saved(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_text(FILES[name], encoding=encoding)
    assert losses(tmp_path / name) == LOSSES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        (STATE[:-90], "ends in the middle"),
        ("no JSON at all", "is not JSON"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:31fe\nsize 12965\n", "pointer of Git LFS"),
        ("<!DOCTYPE html><html></html>", "web page"),
        ("\x1f\x8b\x08\0\0", "binary file"),
        (json.dumps({"log_history": [], "global_step": 87, "logging_steps": 500}), "87 steps: logging_steps was 500"),
        (json.dumps({"log_history": [{"train_loss": 1.2, "train_runtime": 9.0, "step": 9}]}), "summary of a run alone"),
        (json.dumps({"log_history": [{"loss": 2.0, "epoch": 0.5}]}), "1 loss without a step"),
        (json.dumps({"train_loss": 1.2, "epoch": 3.0}), "no log_history"),
    ],
)
def test_what_is_no_log_is_refused_by_what_it_is(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "trainer_state.json").write_text(text)
    error = refusal(tmp_path / "trainer_state.json")
    assert says in error.message and error.remedy


def test_numbers_that_were_written_as_texts_are_numbers(tmp_path: Path) -> None:
    as_texts = [{name: str(value) for name, value in row.items()} for row in ROWS]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": as_texts}))
    assert losses(tmp_path / "trainer_state.json") == LOSSES
    (tmp_path / "german.csv").write_text(TABLE.replace(",", ";").replace(".", ","))
    assert losses(tmp_path / "german.csv") == LOSSES


@pytest.mark.parametrize("first", [0, 1])
def test_a_log_that_counts_epochs_alone_has_an_epoch_as_its_step(tmp_path: Path, first: int) -> None:
    lines = [f"{i},{loss},{loss + 0.25}\n" for i, loss in enumerate(LOSSES, first)]
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n" + "".join(lines))
    (log,) = logs(tmp_path / "log.csv")
    curve = log.curve()
    assert [(point.step, point.epoch) for point in curve.points] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert [one.loss for one in curve.validation] == [loss + 0.25 for loss in LOSSES]
    assert "counts epochs" in log.notes[0] and ("counts from 0" in log.notes[0]) == (first == 0)


def test_an_infinite_epoch_and_windows_ends_of_lines_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("".join(f'{{"epoch": {one}, "loss": 2.0}}\n' for one in ("1e999", 1)))
    assert "without a step" in refusal(tmp_path / "log.jsonl").message
    (tmp_path / "state.txt").write_bytes(json.dumps(json.loads(STATE), indent=2).replace("\n", "\r\n").encode())
    assert losses(tmp_path / "state.txt") == LOSSES


def test_a_folder_of_runs_is_read_run_by_run_from_the_folder_of_each(tmp_path: Path) -> None:
    for name in ("a/checkpoint-10", "a/checkpoint-20", "b c", "deep/er/run", "ours/checkpoints/checkpoint-5"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "trainer_state.json").write_text(STATE)
    (tmp_path / "model").mkdir()
    (tmp_path / "ours/metrics.jsonl").write_text('{"kind": "train", "step": 1, "loss": 7.0}\n')
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/metrics.jsonl").write_text('{"kind": "train", "step": 1\n')
    for name in ("ours/tensorboard", "alone"):
        with SummaryWriter(str(tmp_path / name)) as writer:
            writer.add_scalar("train/loss", 3.0, 1)
    found = logs(tmp_path)
    read = [str(log.path.relative_to(tmp_path)).split("/checkpoint-")[0] for log in found]
    assert read == ["a", "alone", "b c/trainer_state.json", "deep/er/run/trainer_state.json", "ours/metrics.jsonl"]
    assert found[0].notes[-1].startswith("Not read: ") and "broken" in found[0].notes[-1]


def test_one_run_with_a_tracker_does_not_hide_one_without(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "loss": 7.0}\n')
    with SummaryWriter(str(tmp_path / "a/tensorboard")) as writer:
        writer.add_scalar("train/loss", 3.0, 1)
    assert [log.path.parent.name for log in logs(tmp_path)] == ["a", "b"]
