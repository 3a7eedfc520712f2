"""Both engines make the same run: losses, gradient norms, learning rates, rows of each step, validation losses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sanetune.engine import step_log
from sanetune.engine.metrics import Record
from sanetune.runs import Run
from tests.engine.running import train

Config = Callable[..., SimpleNamespace]


def packs_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Packs of two and three rows."""
    packs, at = [], 0
    while at < len(rows):
        some = rows[at : at + 2 + len(packs) % 2]
        at += len(some)
        packs.append({
            "input_ids": [i for row in some for i in row["input_ids"]],
            "labels": [i for row in some for i in row["labels"]],
            "seq_lengths": [len(row["input_ids"]) for row in some],
        })  # fmt: skip
    return packs


def curves(
    config: Config, data: Any, folder: Path, **given: Any
) -> tuple[list[list[Record]], list[list[step_log.LoggedStep]]]:
    """Records and logged steps of the same run on each engine."""
    records, steps = [], []
    for engine in ("trl", "accelerate"):
        run = Run.create(folder / engine)
        records.append(train(config(engine=engine, **given), data, run).records)
        steps.append(list(step_log.read(step_log.files(run.steps)[0])))
    return records, steps


def assert_same(records: list[list[Record]], steps: list[list[step_log.LoggedStep]], most: float) -> None:
    for trl, ours in zip(*records, strict=True):
        assert (trl.step, trl.kind, trl.epoch, trl.tokens, trl.loss_tokens) == (
            ours.step, ours.kind, ours.epoch, ours.tokens, ours.loss_tokens,
        )  # fmt: skip
        assert ours.loss == pytest.approx(trl.loss, rel=most)
        if trl.kind == "train":
            assert trl.grad_norm is not None and trl.grad_norm > 0
            # Sums in another order (documents without padding) grow in twenty steps: 1.05e-5 was seen.
            assert ours.grad_norm == pytest.approx(trl.grad_norm, rel=2 * most)
            assert ours.learning_rate == trl.learning_rate
        else:
            assert ours.group_tokens == trl.group_tokens and trl.group_tokens
            assert ours.group_losses == pytest.approx(trl.group_losses, rel=most)
    assert [one.rows for one in steps[0]] == [one.rows for one in steps[1]]


@pytest.mark.parametrize("accumulated", [1, 4])
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("adapter", [None, {"type": "lora", "dropout": 0.0}], ids=["full", "lora"])
def test_both_engines_make_the_same_twenty_steps(
    adapter: Any, packed: bool, accumulated: int, rows: list[dict[str, Any]], prepared: Any, config: Config,
    tmp_path: Path,
) -> None:  # fmt: skip
    from datasets import Dataset

    kept = [{key: row[key] for key in ("input_ids", "labels")} for row in rows]
    data = SimpleNamespace(**{**vars(prepared), "train": Dataset.from_list(packs_of(kept) if packed else kept)})
    size = 2 if accumulated > 1 or packed else 4
    made = curves(
        config, data, tmp_path, model={"adapter": adapter} if adapter else None, max_steps=20, eval_steps=10,
        per_device_train_batch_size=size, gradient_accumulation_steps=accumulated, save_strategy="no",
        load_best_model_at_end=False, packing=packed, learning_rate=1e-3, weight_decay=0.01,
    )  # fmt: skip
    assert [record.step for record in made[0][0] if record.kind == "train"] == list(range(1, 21))
    assert_same(*made, most=1e-5)
