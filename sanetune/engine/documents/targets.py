"""What the tokens of a tree are to predict, and how often each prediction counts.

A token of a shared beginning may be in the loss of several documents, of some of them, or of none, and the last one
before documents part predicts several next tokens. Each different pair of a place and a label stands here once, with
the number of documents that count it, so that the sum is that over separate rows.

Shapes: K places whose logits are needed, P different predictions, N tokens in the loss of all documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.documents.tree import Numbers, PrefixTree


@dataclass(frozen=True, slots=True)
class Targets:
    """The predictions in the loss.

    Attributes:
        places: Indices of the tokens whose logits are needed (K), ascending.
        rows: For each prediction, the index among ``places`` (P).
        labels: For each prediction, the token id (P).
        counts: For each prediction, how many documents have it in their loss (P).
        predictions: For each token in the loss, document after document, the index of its prediction (N).
        lengths: Tokens in the loss of each document; they add up to N.
    """

    places: Numbers
    rows: Numbers
    labels: Numbers
    counts: Numbers
    predictions: Numbers
    lengths: tuple[int, ...]


def targets_of(tree: PrefixTree, labels: Sequence[Sequence[int]]) -> Targets:
    """Return what is predicted where.

    >>> from sanetune.engine.documents.tree import prefix_tree
    >>> tree = prefix_tree([[1, 2, 3], [1, 2, 4], [1, 2, 3]], fewest=1)
    >>> found = targets_of(tree, [[-100, 2, 3], [-100, -100, 4], [-100, 2, 3]])
    >>> list(zip(found.places[found.rows].tolist(), found.labels.tolist(), found.counts.tolist()))
    [(0, 2, 2), (1, 3, 2), (1, 4, 1)]

    Args:
        tree: The documents, which may end with the last token that predicts one in the loss.
        labels: Of each document, one label per token; the label at t is predicted from t - 1.
    """
    pairs, lengths = [np.zeros((0, 2), dtype=np.int64)], []
    for places, some in zip(tree.places, labels, strict=True):
        values = np.asarray(some, dtype=np.int64)[1:]
        counted = np.flatnonzero(values != IGNORE_INDEX)
        pairs.append(np.stack([places[counted], values[counted]], axis=1))
        lengths.append(len(counted))
    unique, inverse, counts = np.unique(np.concatenate(pairs), axis=0, return_inverse=True, return_counts=True)
    kept, rows = np.unique(unique[:, 0], return_inverse=True)
    return Targets(kept, rows.reshape(-1), unique[:, 1], counts, inverse.reshape(-1), tuple(lengths))
