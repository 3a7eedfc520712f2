"""Checks that the loss of a row depends neither on the other rows of the batch nor on padding.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import torch

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import Batch
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import BatchIndependence


def batch_independence(harness: ProbeHarness) -> BatchIndependence | None:
    """Compare the token losses of the shortest row of a batch with those of the row alone.

    Returns:
        The differences; None where all batches have one row.
    """
    batch = next((one for one in harness.batches if len(one["input_ids"]) > 1), None)
    if batch is None:
        return None
    shortest = min(range(len(batch["input_ids"])), key=lambda row: _length(batch, row))
    length = _length(batch, shortest)
    alone = {name: value[shortest : shortest + 1, :length] for name, value in batch.items()}
    with harness.untouched(), torch.no_grad():
        together = harness.token_losses(batch)[shortest, :length]
        apart = harness.token_losses(alone)[0]
    differences = (together - apart).abs()[batch["labels"][shortest, :length] != IGNORE_INDEX]
    return BatchIndependence(
        tokens=len(differences),
        padded_tokens=int(batch["input_ids"].shape[1] - length),
        mean_difference=float(differences.mean()) if len(differences) else 0.0,
        largest_difference=float(differences.max()) if len(differences) else 0.0,
        sixteen_bits=harness.session.precision.sixteen_bits,
    )


def _length(batch: Batch, row: int) -> int:
    """Tokens of a row without padding; packs have no mask, and count with padding."""
    mask = batch.get("attention_mask")
    return int(mask[row].sum()) if mask is not None else int(batch["input_ids"].shape[1])
