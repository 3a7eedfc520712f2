"""Validation rows of a probe, and the loss of each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from sanetune.curves.series import Evaluation
from sanetune.engine.batches import collate_for
from sanetune.engine.models import attention_of
from sanetune.probes.document_losses import summed
from sanetune.probes.harness import ProbeHarness
from sanetune.rng import kept_modes

if TYPE_CHECKING:
    import datasets

ROWS, TOKENS = 128, 65_536
"""Rows of an evaluation and tokens in them, at most."""
FEWEST = 16
"""Rows that are evaluated even if they have more tokens."""
FIXED = 16
"""Rows of the fixed evaluation batch."""
SHARE = 0.1
"""Fraction of the training rows that is held out where there are no validation rows, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutRows:
    """Rows that a probe does not train on.

    Attributes:
        rows: Examples or packs; None: there are too few training rows to hold any out.
        source: The split that they are from.
        left: Numbers of the training rows that remain for training; None: all.
    """

    rows: datasets.Dataset | None
    source: Literal["validation", "train"]
    left: list[int] | None = None

    def __len__(self) -> int:
        return 0 if self.rows is None else len(self.rows)

    def few(self) -> HeldOutRows:
        """Return the fixed evaluation batch: a few of these rows, evenly spread."""
        if self.rows is None:
            return self
        return HeldOutRows(self.rows.select(_spread(len(self.rows), FIXED)), self.source)


def held_out_rows(harness: ProbeHarness) -> HeldOutRows:
    """Return validation rows, evenly spread over the split; where there are none, training rows to be held out."""
    validation = harness.prepared.validation
    if validation is not None and len(validation):
        return HeldOutRows(validation.select(_bounded(validation, _spread(len(validation), ROWS))), "validation")
    rows = harness.prepared.train
    own = len(rows) - harness.prepared.replay_rows
    chosen = _bounded(rows, _spread(own, min(ROWS, int(own * SHARE))))
    if len(chosen) < 2:
        return HeldOutRows(None, "train")
    left = sorted(set(range(len(rows))) - set(chosen))
    return HeldOutRows(rows.select(chosen), "train", left)


def evaluate_start(harness: ProbeHarness, validation: HeldOutRows) -> Evaluation:
    """Evaluate the validation rows before any step; they are measured once for all probes."""
    if validation not in harness.at_start:
        harness.at_start[validation] = evaluate_rows(harness, validation, 0)
    return harness.at_start[validation]


def evaluate_rows(harness: ProbeHarness, validation: HeldOutRows, step: int) -> Evaluation:
    """Evaluate the validation rows after ``step`` steps, with each document of a pack as a row of its own.

    Dropout is off; the modes of the model's modules are restored.
    """
    rows = validation.rows
    assert rows is not None, "there are no rows to evaluate"
    collate = collate_for(harness.prepared.tokenizer.pad_token_id, attention_of(harness.model))
    with torch.no_grad(), kept_modes(harness.model):
        harness.model.eval()
        sums, tokens = summed(rows, collate, harness.vocab_size, harness.device, harness.token_losses)
    return Evaluation.of(step, sums, tokens)


def _spread(total: int, count: int) -> list[int]:
    count = min(total, count)
    return [index * total // count for index in range(count)]


def _bounded(rows: datasets.Dataset, numbers: list[int]) -> list[int]:
    """As many of ``numbers``, evenly spread, as TOKENS allows, and at least FEWEST."""
    import numpy as np

    lengths = [len(ids) for ids in rows.select(numbers)["input_ids"]]
    total = int(np.sum(lengths))
    if total <= TOKENS:
        return numbers
    count = max(min(FEWEST, len(numbers)), int(len(numbers) * TOKENS / total))
    return [numbers[index] for index in _spread(len(numbers), count)]
