"""What preparation has to say in numbers: lengths, learnt tokens, what was lost, how full the packs are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

QUANTILES = (0, 5, 25, 50, 75, 95, 99, 100)
BINS = 24


def lengths_table(lengths: np.ndarray) -> dict[str, float]:
    """Percentiles (nearest rank, so each is a length that occurs) and the mean of token counts."""
    import numpy as np

    if not len(lengths):
        return {}
    values = np.percentile(lengths, QUANTILES, method="nearest")
    table: dict[str, float] = {f"p{q}": int(value) for q, value in zip(QUANTILES, values, strict=True)}
    return {"mean": round(float(lengths.mean()), 1), **table}


def histogram(lengths: np.ndarray) -> dict[str, list[int]]:
    """Counts of lengths in bins of equal, whole width.

    ``edges`` has one entry more than ``counts``.
    """
    import numpy as np

    if not len(lengths):
        return {"edges": [], "counts": []}
    low, high = int(lengths.min()), int(lengths.max())
    width = max(1, -(-(high - low + 1) // BINS))
    edges = np.arange(low, high + width + 1, width)
    counts, _ = np.histogram(lengths, edges)
    return {"edges": [int(edge) for edge in edges], "counts": [int(count) for count in counts]}


def side(lengths: np.ndarray, learnt: np.ndarray, packs: list[list[int]] | None, capacity: int) -> dict[str, Any]:
    """Figures of one split, after cutting and dropping.

    ``fill`` is the share of a pack's tokens that are not padding.
    """
    tokens = int(lengths.sum())
    figures: dict[str, Any] = {
        "examples": len(lengths),
        "tokens": tokens,
        "loss_tokens": int(learnt.sum()),
        "learnt_share": round(float(learnt.sum()) / tokens, 4) if tokens else 0.0,
        "lengths": lengths_table(lengths),
    }
    if packs is not None:
        figures["packs"] = len(packs)
        figures["fill"] = round(tokens / (len(packs) * capacity), 4) if packs else 0.0
    return figures


def lost(rows: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Rows and tokens lost, by reason."""
    counts: Counter[str] = Counter(row["reason"] for row in rows)
    return {
        reason: {"rows": count, "tokens": sum(row["tokens_lost"] for row in rows if row["reason"] == reason)}
        for reason, count in counts.items()
    }
