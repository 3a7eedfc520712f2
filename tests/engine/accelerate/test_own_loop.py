"""The usual lines of a loop on Accelerate, as tutorials have them, with the loss of the whole effective batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from sanetune.engine.accelerate.own_loop import WeighedBatches, training_parts
from sanetune.runs import Run
from tests.engine.accelerate.test_same_as_trl import packs_of
from tests.engine.running import train

Config = Callable[..., SimpleNamespace]


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_the_usual_lines_make_the_run_of_the_engine(
    packed: bool, rows: list[dict[str, Any]], prepared: Any, config: Config, tmp_path: Path
) -> None:
    from datasets import Dataset

    kept = [{key: row[key] for key in ("input_ids", "labels")} for row in rows[:14]]
    data = SimpleNamespace(**{
        **vars(prepared), "train": Dataset.from_list(packs_of(kept) if packed else kept), "validation": None,
    })  # fmt: skip
    # 14 rows in batches of 4: 4 micro-batches, the last one of two rows; of 6 packs: a step with one micro-batch.
    given = {"engine": "accelerate", "max_steps": 4, "gradient_accumulation_steps": 2, "save_strategy": "no",
             "eval_strategy": "no", "load_best_model_at_end": False, "packing": packed}  # fmt: skip
    settings = config(**given)
    settings.run.output_dir = str(tmp_path / "parts")
    settings.model_copy = lambda deep: settings
    parts = training_parts(settings, data)

    accelerator = Accelerator(gradient_accumulation_steps=parts.accumulation_steps, cpu=True)
    model, optimizer, loader, schedule = accelerator.prepare(parts.model, parts.optimizer, parts.loader, parts.schedule)
    model.train()
    norms = []
    for _ in range(parts.epochs):
        for batch in loader:
            with accelerator.accumulate(model):
                loss = model(**batch).loss
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    norms.append(float(accelerator.clip_grad_norm_(model.parameters(), parts.max_grad_norm)))
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()

    outcome = train(settings, data, Run.create(tmp_path / "engine"))
    assert norms[: parts.steps] == pytest.approx([record.grad_norm for record in outcome.records], rel=1e-4)
    assert parts.steps == 4


def test_each_step_of_two_processes_is_divided_by_its_own_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    from sanetune.engine.accelerate import own_loop

    monkeypatch.setattr(own_loop, "PartialState", lambda: SimpleNamespace(num_processes=2))
    tokens = [5, 1, 8, 2, 9]
    batches = list(WeighedBatches(torch.utils.data.SequentialSampler(tokens), tokens, 1, 2, drop_last=False))
    assert [[place.index for place in batch] for batch in batches] == [[0], [1], [2], [3], [4], [4]]
    assert [batch[0].items for batch in batches] == [16 / 4] * 4 + [9 / 4] * 2
    assert [batch[0].blank for batch in batches] == [False] * 5 + [True]
