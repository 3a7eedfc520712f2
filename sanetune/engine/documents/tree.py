"""Documents that begin alike, merged into a tree: every shared beginning is in it once.

A system prompt, a list of tools, or the earlier turns of a conversation that was unrolled into one example per turn are
the same tokens in many rows. What comes before a token decides its hidden state, so those of a shared beginning are
equal too, and one computation serves all rows.

Shapes: T tokens of the tree, D documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

FEWEST = 16
"""Tokens of a beginning from which on it is shared: every split is a matrix product more in each layer's attention."""


@dataclass(frozen=True, slots=True)
class Node:
    """Consecutive tokens that the same documents share.

    Attributes:
        start: Index of its first token among the tokens of the tree.
        end: Index behind its last token.
        below: Index behind the last token of its descendants, which are the tokens from ``end`` on.
        depth: Position of its first token in its documents.
    """

    start: int
    end: int
    below: int
    depth: int


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """Documents merged where they begin alike.

    Attributes:
        ids: Token ids of all nodes, end to end, each node before its descendants (T).
        positions: Position of each token in its documents (T).
        nodes: All nodes, in the order of their tokens.
        places: For each document, the indices of its tokens among those of the tree.
    """

    ids: Numbers
    positions: Numbers
    nodes: tuple[Node, ...]
    places: tuple[Numbers, ...]

    @property
    def is_shared(self) -> bool:
        """Whether any token stands for more than one document."""
        return len(self.ids) < sum(map(len, self.places))

    @property
    def longest(self) -> int:
        """Tokens of the longest document."""
        return max(map(len, self.places), default=0)


def prefix_tree(documents: Sequence[Sequence[int]], fewest: int | None = FEWEST) -> PrefixTree:
    """Merge ``documents`` where they begin alike, on as many levels as there are.

    >>> tree = prefix_tree([[1, 2, 3, 4], [1, 2, 5], [1, 2, 3, 6]], fewest=1)
    >>> tree.ids.tolist(), tree.positions.tolist()
    ([1, 2, 3, 4, 6, 5], [0, 1, 2, 3, 3, 2])
    >>> [places.tolist() for places in tree.places]
    [[0, 1, 2, 3], [0, 1, 5], [0, 1, 2, 4]]

    Args:
        documents: Token ids of each.
        fewest: Tokens of a beginning from which on it is shared; None: none is.
    """
    builder = _Builder([np.asarray(document, dtype=np.int64) for document in documents])
    if fewest is None:
        for number in range(len(documents)):
            builder.order, builder.common = [number], []
            builder.grow(0, 1, 0, 1)
    else:
        builder.sort()
        for low, high in builder.runs(0, len(documents), 0, fewest):
            builder.grow(low, high, 0, fewest)
    return builder.tree()


@dataclass(slots=True)
class _Builder:
    """Grows a tree over sorted documents, where those that begin alike are neighbours."""

    documents: list[Numbers]
    order: list[int] = field(default_factory=list)
    common: list[int] = field(default_factory=list)  # tokens that the document shares with the next one
    ids: list[Numbers] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    size: int = 0
    places: dict[int, list[Numbers]] = field(default_factory=dict)

    def sort(self) -> None:
        keys = [document.astype(">u8").tobytes() for document in self.documents]  # bytes sort as the ids do
        self.order = sorted(range(len(keys)), key=keys.__getitem__)
        ordered = [self.documents[number] for number in self.order]
        self.common = [_common(one, other) for one, other in pairwise(ordered)]

    def length(self, index: int) -> int:
        return len(self.documents[self.order[index]])

    def runs(self, low: int, high: int, depth: int, fewest: int) -> list[tuple[int, int]]:
        """Split the documents from ``low`` to ``high``, equal up to ``depth``, into those that share more."""
        while low < high and self.length(low) == depth:  # it ends here, and sorts first
            low += 1
        edges = [low, *(i + 1 for i in range(low, high - 1) if self.common[i] < depth + fewest), high]
        return [(one, other) for one, other in pairwise(edges) if one < other]

    def grow(self, low: int, high: int, depth: int, fewest: int) -> None:
        """Add the node of the documents from ``low`` to ``high``, and its descendants."""
        first, last, end, runs = low, high, 0, [(low, high)]
        while len(runs) == 1:  # all that is not at its end continues together, and so does the node
            first, last = runs[0]
            end = self.length(first) if last - first == 1 else min(self.common[first : last - 1])
            runs = self.runs(first, last, end, fewest)
        start = self.size
        self.size += end - depth
        self.ids.append(self.documents[self.order[first]][depth:end])
        for index in range(low, high):
            stop = start + min(end, self.length(index)) - depth
            self.places.setdefault(self.order[index], []).append(np.arange(start, stop))
        mine = len(self.nodes)
        self.nodes.append(Node(start, self.size, self.size, depth))
        after = self.size
        for run in runs:
            self.grow(*run, end, fewest)
        self.nodes[mine] = Node(start, after, self.size, depth)

    def tree(self) -> PrefixTree:
        nothing = np.zeros(0, dtype=np.int64)
        parts = [np.arange(node.depth, node.depth + node.end - node.start) for node in self.nodes]
        return PrefixTree(
            ids=np.concatenate([nothing, *self.ids]),
            positions=np.concatenate([nothing, *parts]),
            nodes=tuple(self.nodes),
            places=tuple(
                np.concatenate([nothing, *self.places.get(number, [])]) for number in range(len(self.documents))
            ),
        )


def _common(one: Numbers, other: Numbers) -> int:
    """Return how many tokens both begin with."""
    shorter = min(len(one), len(other))
    differ = one[:shorter] != other[:shorter]
    return int(differ.argmax()) if differ.any() else shorter
