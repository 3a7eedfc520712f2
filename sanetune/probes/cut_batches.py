"""Cuts batches to as many tokens as a processor works through in seconds.

What most probes ask of a batch does not depend on how many rows it has, and a pass of a processor takes time in
proportion to weights and tokens. Small models, and all models on a GPU, keep their batches whole.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import Batch

if TYPE_CHECKING:
    import torch
    from torch import nn

WORK = 2**35
"""Weights times tokens of one pass on a processor: half a second of the forward pass on a fast core."""
FEWEST = 128
"""Tokens that a batch keeps however large the model is."""
TRIAL_STEPS = 60
"""Steps of a trial at least that is shortened: what the checks of its curve need after warm-up, twice."""


def most_tokens(model: nn.Module, device: torch.device) -> int | None:
    """Return the tokens of a batch that are enough for a probe; None: all, since the device is fast."""
    if device.type != "cpu":
        return None
    return max(FEWEST, WORK // max(1, sum(weight.numel() for weight in model.parameters())))


def shorter_trial(steps: int, tokens: int, most: int | None) -> int:
    """Return how many of ``steps`` a trial makes, so that it takes no longer than they would with cut batches.

    >>> shorter_trial(200, tokens=600, most=300), shorter_trial(200, 9000, 300), shorter_trial(50, 9000, 300)
    (100, 60, 50)

    Args:
        steps: Those that are asked for.
        tokens: Tokens of one step, with padding.
        most: See :func:`most_tokens`.
    """
    return steps if most is None else min(steps, max(TRIAL_STEPS, steps * most // max(1, tokens)))


def cut(batch: Batch, most: int | None) -> Batch:
    """Return the first rows of a batch (B, T) that have at most ``most`` tokens with their padding.

    Of a pack its first documents are kept, at least two of them. At least one row with a token in the loss stays,
    however long it is. A batch that another trainer has made stays whole, since its loss may need all of it.
    """
    ids = batch["input_ids"]
    whole = type(batch) is not dict or any(value.shape != ids.shape for value in batch.values())
    if most is None or whole or ids.numel() <= most:
        return batch
    return _documents(batch, most) if "position_ids" in batch else _rows(batch, most)


def _rows(batch: Batch, most: int) -> Batch:
    mask = batch.get("attention_mask")
    width = batch["input_ids"].shape[1]
    lengths = [width] * len(batch["labels"]) if mask is None else mask.sum(dim=1).tolist()
    learned = (batch["labels"][:, 1:] != IGNORE_INDEX).any(dim=1).tolist()
    chosen: list[int] = []
    longest = 0
    for row, length in enumerate(lengths):
        wider = max(longest, length)
        if learned[row] and (len(chosen) + 1) * wider <= most:
            chosen.append(row)
            longest = wider
    if not chosen:
        candidates = [row for row in range(len(lengths)) if learned[row]]
        if not candidates:
            return batch
        chosen = [min(candidates, key=lambda row: lengths[row])]
        longest = lengths[chosen[0]]
    if mask is not None and not bool(mask[chosen, :longest].any(dim=0).all()):
        return batch  # padded on the left
    return {name: value[chosen, :longest] for name, value in batch.items()}


def _documents(batch: Batch, most: int) -> Batch:
    first = {name: value[:1] for name, value in batch.items()}
    starts = (first["position_ids"][0] == 0).nonzero()[:, 0].tolist()
    ends = [*starts[1:], first["input_ids"].shape[1]]
    within = [end for end in ends[1:] if end <= most] or ends[1:2] or ends[:1]
    kept = {name: value[:, : within[-1]] for name, value in first.items()}
    return kept if bool((kept["labels"][:, 1:] != IGNORE_INDEX).any()) else batch
