"""Whether computing shared beginnings once is the faster way: forward passes with and without it, on a first batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sanetune.engine.documents.forward import Document, Merged, attention_as, prediction_losses
from sanetune.engine.documents.sample import in_proportion, with_gaps
from sanetune.rng import kept_modes

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.engine.documents.last_layer import LastLayer

TOKENS = 256
"""Tokens of the rows that are measured; of longer ones every part is truncated in proportion."""
LEAST = 0.2
"""Seconds of a pass below which nothing is measured: the clock has hundredths, and little is to be gained."""
SLOWER = 1.1
"""Times as long as the rows apart from which on beginnings are not shared."""
ROUNDS = 3
"""Passes of each, at most, while sharing seems to be slower; the fastest counts."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What was measured.

    Attributes:
        rows: How many rows of the first batch.
        tokens: Theirs.
        computed: Those that are computed where beginnings are shared.
        apart: CPU seconds of a forward pass over rows one by one, without the kernel's.
        shared: The same with beginnings computed once; 0 where a pass takes less than :data:`LEAST`.
    """

    rows: int
    tokens: int
    computed: int
    apart: float
    shared: float

    @property
    def pays(self) -> bool:
        """Whether beginnings are shared."""
        return self.shared <= SLOWER * self.apart

    def __str__(self) -> str:
        if not self.shared:
            return f"a pass of {self.tokens:,} tokens is too short to measure what that gains"
        return (
            f"measured on {self.rows} rows of the first batch: {self.tokens:,} tokens one by one in {self.apart:.2f} "
            f"s, {self.computed:,} in {self.shared:.2f} s, {self.apart / self.shared:.2f} times as fast"
        )


def measured_gain(
    model: PreTrainedModel, documents: Sequence[Document], fewest: int | None, last: LastLayer | None
) -> Gain:
    """Measure forward passes over ``documents``, whose beginnings are shared from ``fewest`` tokens on.

    Args:
        model: The model; its modes and random states stay.
        documents: Of the first batch; long ones are truncated.
        fewest: Tokens of a beginning from which on it is shared.
        last: The last layer, with its hooks attached; None: all of it is computed.
    """
    some = in_proportion(documents, fewest, TOKENS)
    fewest = fewest if some[0] is documents[0] else 1
    some = with_gaps(some)
    ways = Merged.of(some, None), Merged.of(some, fewest)
    best = [float("inf"), float("inf")]
    with kept_modes(model), torch.no_grad(), attention_as(model):
        model.eval()
        for _ in range(ROUNDS):
            for at, merged in enumerate(ways):
                began = _user_seconds()
                prediction_losses(model, merged, last)
                best[at] = min(best[at], _user_seconds() - began)
            if best[0] < LEAST:
                best[1] = 0.0
            gain = Gain(len(some), len(ways[0].tree.ids), len(ways[1].tree.ids), *best)
            if gain.pays:
                break
    return gain


def _user_seconds() -> float:
    """CPU seconds of the process; those of the kernel, which gives memory the first time, are no matter of the way."""
    return os.times().user
