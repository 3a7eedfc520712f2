"""The same run, logged by several programs, is read as the same curve."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import Log
from sanetune.curves.series import Curve
from sanetune.errors import DataError

SCRIPT = """
import os, sys, torch
os.environ |= {"WANDB_MODE": "offline", "WANDB_DIR": sys.argv[1], "WANDB_SILENT": "true",
               "TENSORBOARD_LOGGING_DIR": sys.argv[1] + "/runs"}
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
torch.manual_seed(0)
model = LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                                     num_attention_heads=2, num_key_value_heads=2))
rows = [{"input_ids": torch.randint(0, 32, (8,))} for _ in range(40)]
rows = [row | {"labels": row["input_ids"]} for row in rows]
args = TrainingArguments(sys.argv[1] + "/out", max_steps=12, logging_steps=2, eval_strategy="steps", eval_steps=4,
                         save_steps=6, per_device_train_batch_size=4, learning_rate=1e-2, use_cpu=True,
                         report_to=["tensorboard", "wandb"])
Trainer(model, args, train_dataset=rows, eval_dataset=rows[:8]).train()
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that a real Trainer left: checkpoints, TensorBoard events, a W&B run and its printed output."""
    folder = tmp_path_factory.mktemp("trained")
    with (folder / "train.log").open("wb") as file:  # as `python -u train.py > train.log 2>&1` leaves it
        command = [sys.executable, "-u", "-c", SCRIPT, str(folder)]
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, (folder / "train.log").read_text()
    return folder


def only(path: Path) -> Log:
    (log,) = logs(path)
    return log


def losses(curve: Curve) -> list[tuple[int, float]]:
    return [(point.step, point.loss) for point in curve.points]


def evaluated(curve: Curve) -> list[tuple[int, float]]:
    return [(one.step, one.loss) for one in curve.validation]


def near(pairs: list[tuple[int, float]], digits: float = 1e-5) -> list[object]:
    return [(step, pytest.approx(value, rel=digits)) for step, value in pairs]


def state(folder: Path) -> list[dict[str, float]]:
    """What the Trainer itself says that it logged."""
    history = json.loads((folder / "out/checkpoint-12/trainer_state.json").read_text())["log_history"]
    assert isinstance(history, list)
    return history


@pytest.mark.parametrize("where", ["out", "out/checkpoint-12", "runs", "wandb", "."])
def test_every_tracker_of_a_run_gives_the_curve_that_the_trainer_logged(trained: Path, where: str) -> None:
    expected = [(int(one["step"]), one["loss"]) for one in state(trained) if "loss" in one]
    expected_evaluations = [(int(one["step"]), one["eval_loss"]) for one in state(trained) if "eval_loss" in one]
    assert len(expected) == 6 and len(expected_evaluations) == 3
    for log in logs(trained / where):
        curve = log.curve()
        assert losses(curve) == near(expected)
        assert evaluated(curve) == near(expected_evaluations)
        assert [point.lr for point in curve.points] == pytest.approx(
            [one["learning_rate"] for one in state(trained) if "loss" in one], rel=1e-5
        )
        assert [point.grad_norm for point in curve.points] == pytest.approx(
            [one["grad_norm"] for one in state(trained) if "loss" in one], rel=1e-5
        )
        assert curve.finished and curve.total_steps == 12


def test_the_latest_run_that_wandb_links_is_read_where_it_is_given_itself(trained: Path) -> None:
    latest = trained / "wandb/latest-run"
    assert latest.is_symlink()
    assert losses(only(latest).curve()) == losses(only(trained / "wandb").curve())


def test_the_printed_output_gives_the_same_losses_with_the_digits_that_it_has(trained: Path) -> None:
    log = only(trained / "train.log")
    assert log.kind.startswith("printed output") and not log.notes
    assert losses(log.curve()) == near(
        [(int(one["step"]), one["loss"]) for one in state(trained) if "loss" in one], 1e-3
    )
    assert [step for step, _ in evaluated(log.curve())] == [4, 8, 12]


def test_printed_output_out_of_order_is_spread_over_the_steps_and_says_so(trained: Path, tmp_path: Path) -> None:
    text = (trained / "train.log").read_text()
    printed = re.findall(r"\{'.*\}", text)
    file = tmp_path / "buffered.log"
    file.write_text(re.sub(r"\{'.*\}", "", text) + "\n" + "\n".join(printed) + "\n")
    log = only(file)
    assert log.notes and "not beside the losses" in log.notes[0]
    assert [step for step, _ in losses(log.curve())] == [2, 4, 6, 8, 10, 12]
    # Without a bar the summary's time and speed say how many steps there were, and epochs where in them a loss is.
    file.write_text("\n".join(printed))
    assert [step for step, _ in losses(only(file).curve())] == [2, 4, 6, 8, 10, 12]
    assert only(file).total_steps == 12
    file.write_text("\n".join(line for line in printed if "train_runtime" not in line))
    assert [step for step, _ in losses(only(file).curve())] == [1, 2, 3, 4, 5, 6]
    assert "counted" in only(file).notes[0]


def test_the_first_checkpoint_knows_the_run_up_to_it(trained: Path) -> None:
    curve = only(trained / "out/checkpoint-6").curve()
    assert losses(curve)[-1][0] == 6 and curve.total_steps == 12 and not curve.finished


def test_of_several_logs_in_a_folder_the_one_that_goes_furthest_is_read(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-2").mkdir()
    history = [{"step": 2, "loss": 1.0}]
    (tmp_path / "checkpoint-2/trainer_state.json").write_text(json.dumps({"log_history": history, "max_steps": 8}))
    lines = [{"current_steps": step, "total_steps": 8, "loss": 3.0 - step, "lr": 1e-4, "epoch": 0.1} for step in (2, 4)]
    (tmp_path / "trainer_log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    log = only(tmp_path)
    assert log.kind == "trainer_log.jsonl of LLaMA-Factory"
    assert losses(log.curve()) == [(2, 1.0), (4, -1.0)] and log.curve().total_steps == 8


def test_a_folder_with_several_runs_gives_one_log_each(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for name, loss in (("a", 2.0), ("b", 3.0)):
        with contextlib.closing(SummaryWriter(str(tmp_path / name))) as writer:
            writer.add_scalar("Loss/train", loss, 1)
            writer.add_scalar("Loss/val", loss / 2, 1)
            writer.add_text("args", "not a number")
    found = logs(tmp_path)
    assert [losses(log.curve()) for log in found] == [[(1, 2.0)], [(1, 3.0)]]
    assert [evaluated(log.curve()) for log in found] == [[(1, 1.0)], [(1, 1.5)]]


@pytest.mark.parametrize("second", [7, 1])
def test_the_event_folders_of_two_starts_are_one_run_that_a_resume_has_taken_on(tmp_path: Path, second: int) -> None:
    from torch.utils.tensorboard import SummaryWriter

    (tmp_path / "checkpoint-6").mkdir()
    history = [{"step": step, "loss": 1.0} for step in range(1, 7)]
    (tmp_path / "checkpoint-6/trainer_state.json").write_text(json.dumps({"log_history": history}))
    for name, steps, loss in (("Dec01_b", range(1, 10), 1.0), ("Dec01_a", range(second, 13), 2.0)):
        with contextlib.closing(SummaryWriter(str(tmp_path / "runs" / name))) as writer:
            for step in steps:
                writer.add_scalar("train/loss", loss, step)
        for file in (tmp_path / "runs" / name).iterdir():  # as if it had begun a second later
            began = str(1_700_000_000 + (name == "Dec01_a"))
            file.rename(file.with_name(re.sub(r"tfevents\.\d+", f"tfevents.{began}", file.name)))
    expected = [(step, 1.0) for step in range(1, second)] + [(step, 2.0) for step in range(second, 13)]
    assert losses(only(tmp_path).curve()) == expected


def test_of_several_runs_in_a_folder_one_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for name in ("a", "b"):
        with contextlib.closing(SummaryWriter(str(tmp_path / name))) as writer:
            writer.add_text("args", "not a number")
            if name == "b":
                writer.add_scalar("Loss/train", 2.0, 1)
    log = only(tmp_path)
    assert losses(log.curve()) == [(1, 2.0)]
    assert log.notes == (f"Not read: {tmp_path / 'a'}: no numbers were logged in it.",)


def test_our_own_record_says_by_its_model_whether_the_run_came_to_its_end(tmp_path: Path) -> None:
    records = [{"kind": "train", "step": 1, "loss": "NaN"}, {"kind": "validation", "step": 1, "loss": 2.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    curve = only(tmp_path).curve()
    assert math.isnan(curve.points[0].loss) and evaluated(curve) == [(1, 2.0)] and not curve.finished
    for state, total in (("{}", None), ("[", None), ('{"total_steps": 120}', 120)):
        (tmp_path / "state.json").write_text(state)
        assert only(tmp_path).curve().total_steps == total
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    ended = only(tmp_path / "metrics.jsonl").curve()
    assert ended.finished and ended.total_steps == 120, "it was ended early, by the watch or by patience"


def test_the_planned_steps_of_the_log_that_goes_furthest_may_be_in_another(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    (tmp_path / "checkpoint-2").mkdir()
    for planned, known in ((8, 8), (3, None)):  # one of 3 steps was of another run
        state = {"log_history": [{"step": 2, "loss": 1.0}], "max_steps": planned}
        (tmp_path / "checkpoint-2/trainer_state.json").write_text(json.dumps(state))
        with contextlib.closing(SummaryWriter(str(tmp_path / "runs"))) as writer:
            writer.add_scalar("train/loss", 1.0, 4)
        log = only(tmp_path)
        assert (log.kind, log.total_steps) == ("TensorBoard events", known)


def test_a_folder_without_a_log_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no log of a run in this folder"):
        logs(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        logs(tmp_path / "none")


@pytest.mark.parametrize("name", ["events.out.tfevents.1.x", "a.wandb", "a.csv", "a.json", "a.jsonl", "a.log", "a"])
@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 50, b"{", b"[1, 2", b"a,b\n1,2\n", b":W&B" + b"\x01" * 99])
def test_no_file_ends_in_anything_but_a_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError):
        logs(file)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log.jsonl")
    with pytest.raises(DataError, match="pipe"):
        logs(tmp_path / "log.jsonl")
