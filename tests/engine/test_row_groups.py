"""The losses of validation rows in a run's records: which rows, on each engine, against each row computed alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sanetune.curves.changes import between
from sanetune.curves.logs.metrics import curve
from sanetune.engine.metrics import read
from sanetune.engine.row_groups import GROUPS, RowGroups
from sanetune.runs import Run
from tests.engine.running import train

Config = Callable[..., SimpleNamespace]
ROWS = st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 500)), max_size=200)


@given(ROWS, st.integers(1, 4), st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_group_has_the_same_rows_whatever_the_processes_batches_and_order(
    rows: list[tuple[float, int]], processes: int, batch: int, chance: random.Random
) -> None:
    """Of the sums over processes, which add up element by element."""
    some, order = [RowGroups() for _ in range(processes)], list(range(len(rows)))
    chance.shuffle(order)
    for at in range(0, len(rows), batch):
        numbers = order[at : at + batch]
        losses, tokens = [rows[number][0] for number in numbers], [rows[number][1] for number in numbers]
        some[at // batch % processes].add(numbers, losses, tokens)
    added = [sum(values) for values in zip(*([*one.losses, *one.tokens] for one in some), strict=True)]
    found = RowGroups().over(lambda _: added)
    expected = [rows[group::GROUPS] for group in range(GROUPS)]
    assert found.losses == pytest.approx([sum(loss for loss, _ in group) for group in expected])
    assert found.tokens == [sum(count for _, count in group) for group in expected]


def test_rows_without_numbers_are_one_group_which_is_compared_with_none() -> None:
    groups = RowGroups()
    groups.add(None, [2.0, 3.0], [1, 2])
    groups.add(None, [1.0], [2])
    assert groups.known() == ((6.0,), (5,))


def test_groups_without_a_token_in_the_loss_are_left_out() -> None:
    groups = RowGroups()
    groups.add([0, 1, 2], [1.23456789, 0.0, 2.0], [3, 0, 1])
    assert groups.known() == ((1.234568, 2.0), (3, 1))


@torch.no_grad()
def losses_alone(folder: Path, rows: Any) -> list[tuple[float, int]]:
    """The loss of each row by transformers' own loss, and its tokens in the loss."""
    from transformers import AutoModelForCausalLM

    model, made = AutoModelForCausalLM.from_pretrained(folder).eval(), []
    for row in rows:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
        count = int((labels[:, 1:] != -100).sum())
        made.append((float(model(input_ids=ids, labels=labels).loss) * count, count))
    return made


@pytest.mark.parametrize("order", ["random", "group_by_length"])
@pytest.mark.parametrize("sets", [{}, {"one": [0, 2, 3], "other": [1, 4, 5, 6, 7]}], ids=["one set", "two sets"])
@pytest.mark.parametrize("engine", ["trl", "accelerate"])
def test_a_run_keeps_the_losses_that_each_row_has_alone(
    engine: str, sets: dict[str, list[int]], order: str, prepared: Any, config: Config, base: Path, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run")
    prepared = SimpleNamespace(**vars(prepared), validation_sets=sets)
    settings = {"train_sampling_strategy": order, "per_device_eval_batch_size": 3}
    train(config(engine=engine, eval_on_start=True, load_best_model_at_end=False, **settings), prepared, run)
    made = [record for record in read(run.metrics) if record.kind == "validation"]
    for record, folder in ((made[0], base), (made[-1], run.model)):
        losses, tokens = zip(*losses_alone(folder, prepared.validation), strict=True)
        assert record.group_tokens == list(tokens)
        assert record.group_losses == pytest.approx(list(losses), rel=1e-4)
        assert record.loss == pytest.approx(sum(losses) / sum(tokens), rel=1e-5)
    found = curve(run.metrics).validation
    assert between(found[0], found[-1]).exact and found[0].sums == tuple(made[0].group_losses or ())
