"""Losses as loops keep them in JSON: by name, in a part, without names; and what is no log."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.curves.logs import json_lists
from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import Log
from sanetune.errors import DataError

STEPS = [10, 20, 30, 40]
LOSSES = [2.5, 2.0, 1.75, 1.5]
HELD_OUT = [2.6, 2.2, 2.0, 1.9]
SETTINGS = {"lr": 1e-3, "betas": [0.9, 0.95, 0.99], "layers": [4, 4, 4, 4]}


def kept(tmp_path: Path, value: object, name: str = "training_log.json") -> Log:
    (tmp_path / name).write_text(json.dumps(value))
    (log,) = logs(tmp_path / name)
    return log


RECORDS = [
    {"step": step, "train_loss": loss, "val_loss": held_out}
    for step, loss, held_out in zip(STEPS, LOSSES, HELD_OUT, strict=True)
]
KEPT: dict[str, object] = {
    "lists by name": {"steps": STEPS, "train_loss": LOSSES, "val_loss": HELD_OUT},
    "lists by name, with settings": {"config": SETTINGS, "steps": STEPS, "train_loss": LOSSES, "val_loss": HELD_OUT},
    "lists named by their rows": {"steps": STEPS, "train": LOSSES, "val": HELD_OUT},
    "lists in parts": {"steps": STEPS, "train": {"loss": LOSSES}, "val": {"loss": HELD_OUT}},
    "records in a part": {"config": SETTINGS, "history": RECORDS},
    "records named by their rows": [
        {"step": r["step"], "train": r["train_loss"], "val": r["val_loss"]} for r in RECORDS
    ],
    "records by rows": {
        "train": [{"step": step, "loss": loss} for step, loss in zip(STEPS, LOSSES, strict=True)],
        "val": [{"step": step, "loss": loss} for step, loss in zip(STEPS, HELD_OUT, strict=True)],
    },
}


@pytest.mark.parametrize("kind", KEPT)
def test_losses_of_a_loop_are_read_at_their_steps(tmp_path: Path, kind: str) -> None:
    curve = kept(tmp_path, KEPT[kind]).curve()
    assert [(point.step, point.loss) for point in curve.points] == list(zip(STEPS, LOSSES, strict=True))
    assert [(one.step, one.loss) for one in curve.validation] == list(zip(STEPS, HELD_OUT, strict=True))


def test_lists_by_epoch_are_evaluations_of_those_epochs(tmp_path: Path) -> None:
    curve = kept(tmp_path, {"epochs": [1, 2, 3, 4], "train_loss": LOSSES, "val_loss": HELD_OUT}).curve()
    assert [(one.step, one.loss) for one in curve.validation] == list(enumerate(HELD_OUT, 1))


def test_lists_without_steps_are_counted_and_the_log_says_so(tmp_path: Path) -> None:
    log = kept(tmp_path, {"train_loss": LOSSES, "val_loss": HELD_OUT})
    assert [point.step for point in log.curve().points] == [1, 2, 3, 4]
    assert json_lists.COUNTED in log.notes


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([list(row) for row in zip(STEPS, LOSSES, HELD_OUT, strict=True)], "validation losses"),
        ([list(row) for row in zip(STEPS, LOSSES, strict=True)], "steps and training losses"),
    ],
)
def test_rows_without_names_are_losses_in_a_file_that_is_called_so(tmp_path: Path, value: object, said: str) -> None:
    log = kept(tmp_path, value, "loss_history.json")
    assert [(point.step, point.loss) for point in log.curve().points] == list(zip(STEPS, LOSSES, strict=True))
    assert any(said in note for note in log.notes)
    with pytest.raises(DataError):
        kept(tmp_path, value, "history.json")


def test_numbers_without_names_are_losses_in_a_file_that_is_called_so(tmp_path: Path) -> None:
    assert [point.loss for point in kept(tmp_path, LOSSES, "loss_history.json").curve().points] == LOSSES
    with pytest.raises(DataError):
        kept(tmp_path, LOSSES, "numbers.json")


def test_a_list_beside_losses_is_never_taken_for_them(tmp_path: Path) -> None:
    """A file called after losses has lists of other things too: steps, times."""
    value = {"steps": [5, 5, 10, 10, 15, 15], "train_loss": [2.5, 2.5, 2.0, 2.0, 1.5, 1.5], "times": [1, 2, 3, 4, 5, 6]}
    curve = kept(tmp_path, value, "loss_history.json").curve()
    assert [(point.step, point.loss) for point in curve.points] == [(5, 2.5), (10, 2.0), (15, 1.5)]


@pytest.mark.parametrize(
    "value",
    [
        {"accuracy": {"train": [0.5, 0.6, 0.7], "val": [0.5, 0.55, 0.6]}},
        {"epochs": [1, 2, 3], "perplexity": {"train": [9.0, 8.0, 7.0], "val": [9.5, 9.0, 8.5]}},
    ],
)
def test_numbers_of_training_rows_that_are_no_losses_are_not_taken_for_them(
    tmp_path: Path, value: dict[str, object]
) -> None:
    with pytest.raises(DataError):
        kept(tmp_path, value)
    with pytest.raises(DataError):
        kept(tmp_path, {"train": [0.5, 0.6, 0.7], "val": [0.5, 0.55, 0.6]}, "accuracy.json")
    both = {**value, "loss": {"train": LOSSES[:3], "val": HELD_OUT[:3]}}
    assert [point.loss for point in kept(tmp_path, both).curve().points] == LOSSES[:3]


@pytest.mark.parametrize("own", [{"eval_steps": [1, 3, 5, 7]}, {}])
def test_validation_losses_of_fewer_steps_are_placed_beside_training_losses(
    tmp_path: Path, own: dict[str, list[int]]
) -> None:
    losses = [3 - step / 8 for step in range(8)]
    log = kept(tmp_path, {"train_losses": losses, "val_losses": HELD_OUT, **own})
    assert [point.loss for point in log.curve().points] == losses
    steps = own.get("eval_steps", [2, 4, 6, 8])
    assert [(one.step, one.loss) for one in log.curve().validation] == list(zip(steps, HELD_OUT, strict=True))
    assert (json_lists.SPREAD in log.notes) == (not own)


@pytest.mark.parametrize(
    "value", [SETTINGS, {"accuracy": LOSSES}, {"train_loss": [2.5, 2.0]}, {"train": {}}, [], {}, 3]
)
def test_what_has_no_losses_is_no_log(tmp_path: Path, value: object) -> None:
    with pytest.raises(DataError):
        kept(tmp_path, value)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["train", "val", "loss", "step", "x"]), inner)
    ),
    max_leaves=25,
)


@given(JSON)
def test_no_json_ends_the_reader(value: object) -> None:
    found = json_lists.read(Path("loss.json"), value)
    assert found is None or any(math.isfinite(point.step) for point in found.curve().points) or found.curve().validation


def test_swift_says_its_step_in_one_text_with_the_planned_ones(tmp_path: Path) -> None:
    lines = [
        {"loss": loss, "epoch": step / 40, "global_step/max_steps": f"{step}/80"}
        for step, loss in zip(STEPS, LOSSES, strict=True)
    ]
    (tmp_path / "logging.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (log,) = logs(tmp_path / "logging.jsonl")
    assert [point.step for point in log.curve().points] == STEPS and log.total_steps == 80


def test_objects_among_printed_lines_are_records(tmp_path: Path) -> None:
    lines = [json.dumps({"step": step, "of": 80, "loss_lm": loss}) for step, loss in zip(STEPS, LOSSES, strict=True)]
    (tmp_path / "sft.log").write_text("\n".join(["100 samples", lines[0], "saved {", *lines[1:], "done"]))
    (log,) = logs(tmp_path / "sft.log")
    assert [point.loss for point in log.curve().points] == LOSSES and log.total_steps == 80
