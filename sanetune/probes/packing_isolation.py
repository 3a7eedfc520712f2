"""Checks that documents of a pack do not attend to each other.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

from itertools import pairwise

import torch

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import Batch
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import PackingIsolation

DOCUMENTS = 12
"""Documents that are compared, at most."""


def packing_isolation(harness: ProbeHarness) -> PackingIsolation:
    """Compare the token losses of packed documents with those of the same documents alone.

    The first document of a pack is left out, since there is nothing before it to attend to.
    """
    if "position_ids" not in harness.batches[0]:
        return PackingIsolation(packed=False)
    differences: list[float] = []
    documents = 0
    with harness.untouched(), torch.no_grad():
        for batch in harness.batches:
            together = harness.token_losses(batch)
            for row, start, stop in _later_documents(batch):
                if documents == DOCUMENTS:
                    break
                alone = {name: value[row : row + 1, start:stop] for name, value in batch.items()}
                counted = alone["labels"][0, 1:] != IGNORE_INDEX
                apart = harness.token_losses(alone)[0, 1:]
                differences += (together[row, start + 1 : stop] - apart).abs()[counted].tolist()
                documents += 1
    return PackingIsolation(
        packed=True,
        documents=documents,
        tokens=len(differences),
        mean_difference=sum(differences) / len(differences) if differences else 0.0,
        largest_difference=max(differences, default=0.0),
        attention=str(getattr(harness.model.config, "_attn_implementation", "")),
        model_type=str(harness.model.config.model_type),
        sixteen_bits=harness.session.precision.sixteen_bits,
    )


def _later_documents(batch: Batch) -> list[tuple[int, int, int]]:
    """(row, start, stop) of documents after the first of each row that have a token in the loss."""
    found = []
    for row, positions in enumerate(batch["position_ids"]):
        starts = [*(positions == 0).nonzero()[:, 0].tolist(), len(positions)]
        for start, stop in pairwise(starts[1:]):
            if (batch["labels"][row, start + 1 : stop] != IGNORE_INDEX).any():
                found.append((row, start, stop))
    return found
