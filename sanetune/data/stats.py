"""Compute the figures of preparation: lengths, tokens in the loss, how full the packs are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

QUANTILES = (0, 5, 25, 50, 75, 95, 99, 100)
"""Percentiles of lengths that are shown."""

BINS = 24
"""Most bins of a histogram."""


def lengths_table(lengths: np.ndarray) -> dict[str, float]:
    """Return percentiles (nearest rank, so each is a length that occurs) and the mean of lengths in tokens.

    >>> import numpy as np
    >>> lengths_table(np.array([10, 20, 60]))["p50"], lengths_table(np.array([10, 20, 60]))["mean"]
    (20, 30.0)
    """
    import numpy as np

    if not len(lengths):
        return {}
    values = np.percentile(lengths, QUANTILES, method="nearest")
    table: dict[str, float] = {f"p{q}": int(value) for q, value in zip(QUANTILES, values, strict=True)}
    return {"mean": round(float(lengths.mean()), 1), **table}


def histogram(lengths: np.ndarray) -> dict[str, list[int]]:
    """Return ``counts`` of lengths (in tokens) in bins of equal, whole width, and the ``edges`` of the bins: one more
    than there are bins.

    >>> import numpy as np
    >>> histogram(np.array([3, 4, 4]))
    {'edges': [3, 4, 5], 'counts': [1, 2]}
    """
    import numpy as np

    if not len(lengths):
        return {"edges": [], "counts": []}
    low, high = int(lengths.min()), int(lengths.max())
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + width + 1, width)
    counts, _ = np.histogram(lengths, edges)
    return {"edges": [int(edge) for edge in edges], "counts": [int(count) for count in counts]}


def split_figures(lengths: np.ndarray, loss_tokens: np.ndarray) -> dict[str, Any]:
    """Return the figures of one split, out of the tokens and the tokens in the loss of each of its examples."""
    tokens, in_loss = int(lengths.sum()), int(loss_tokens.sum())
    return {
        "examples": len(lengths),
        "tokens": tokens,
        "loss_tokens": in_loss,
        "loss_share": round(in_loss / tokens, 4) if tokens else 0.0,
        "lengths": lengths_table(lengths),
    }


def pack_figures(lengths: np.ndarray, packs: int, capacity: int) -> dict[str, Any]:
    """Return the number of packs, and ``fill``: the share of their tokens that is not padding.

    >>> import numpy as np
    >>> pack_figures(np.array([60, 30, 90]), 2, 100)
    {'packs': 2, 'fill': 0.9}

    Args:
        lengths: Tokens of each example in the packs.
        packs: The number of packs.
        capacity: Tokens of a pack.
    """
    return {"packs": packs, "fill": round(int(lengths.sum()) / (packs * capacity), 4) if packs else 0.0}
