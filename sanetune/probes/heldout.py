"""Rows that a trial does not train on, and their losses one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from sanetune.curves.series import Evaluation
from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import collate_for, on_device
from sanetune.engine.loss import fitting
from sanetune.engine.models import attention_of
from sanetune.probes.harness import ProbeHarness
from sanetune.rng import kept_modes

if TYPE_CHECKING:
    import datasets

ROWS, TOKENS = 128, 65_536
"""Most rows of a look, and most tokens in them (a few long rows always come)."""
FEWEST = 16
PROBED = 16
"""Rows of the small batch that is looked at often."""
SHARE = 0.1
"""Of the training rows, the most that a trial keeps aside itself where there are no validation rows."""


@dataclass(frozen=True, slots=True)
class HeldOutRows:
    """``rows``: a data set; ``source``: the split they come from; ``left``: numbers of the training rows that may be
    trained on (None: all)."""

    rows: datasets.Dataset | None
    source: Literal["validation", "train"]
    left: list[int] | None = None

    def __len__(self) -> int:
        return 0 if self.rows is None else len(self.rows)

    def few(self) -> HeldOutRows:
        """The small batch: some of these rows, spread."""
        if self.rows is None:
            return self
        return HeldOutRows(self.rows.select(_spread(len(self.rows), PROBED)), self.source)


def held_out_rows(harness: ProbeHarness) -> HeldOutRows:
    """Validation rows, spread over the split; where there are none, training rows that the trial then leaves out."""
    validation = harness.prepared.validation
    if validation is not None and len(validation):
        return HeldOutRows(validation.select(_bounded(validation, _spread(len(validation), ROWS))), "validation")
    rows = harness.prepared.train
    chosen = _bounded(rows, _spread(len(rows), min(ROWS, int(len(rows) * SHARE))))
    if len(chosen) < 2:
        return HeldOutRows(None, "train")
    aside = set(chosen)
    return HeldOutRows(rows.select(chosen), "train", [number for number in range(len(rows)) if number not in aside])


def look(harness: ProbeHarness, held: HeldOutRows, step: int) -> Evaluation:
    """The losses of the held-out rows, each document of a pack for itself, dropout off; the model's mode is left as it
    was."""
    rows = held.rows
    assert rows is not None, "there are no rows to evaluate"
    sums: list[float] = []
    tokens: list[int] = []
    collate = collate_for(harness.prepared.tokenizer.pad_token_id, attention_of(harness.model))
    with torch.no_grad(), kept_modes(harness.model):
        harness.model.eval()
        # Packs may be flattened into one row, which has one sum: so each comes alone.
        most = 1 if "seq_lengths" in rows.column_names else 8
        for some in fitting(rows, most, harness.vocab_size):
            batch = on_device(collate(some), harness.device)
            losses = harness.token_losses(batch).double()
            counted = batch["labels"] != IGNORE_INDEX
            counted[:, 0] = False
            for row, loss, count in zip(some, losses, counted, strict=True):
                documents = row.get("seq_lengths") or [len(row["input_ids"])]
                sums.extend(float(part.sum()) for part in _cut(loss, documents))
                tokens.extend(int(part.sum()) for part in _cut(count, documents))
    return Evaluation.of(step, sums, tokens)


def _cut(row: Tensor, documents: list[int]) -> list[Tensor]:
    """What of a row (T) belongs to each of its documents; padding behind them is left out."""
    return list(row[: sum(documents)].split(documents))


def _spread(total: int, count: int) -> list[int]:
    count = min(total, count)
    return [index * total // count for index in range(count)]


def _bounded(rows: datasets.Dataset, numbers: list[int]) -> list[int]:
    """As many of ``numbers``, spread, as TOKENS allows; a few in any case."""
    import numpy as np

    lengths = [len(ids) for ids in rows.select(numbers)["input_ids"]]
    total = int(np.sum(lengths))
    if total <= TOKENS:
        return numbers
    count = max(min(FEWEST, len(numbers)), int(len(numbers) * TOKENS / total))
    return [numbers[index] for index in _spread(len(numbers), count)]
