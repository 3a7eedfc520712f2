"""A small batch that is built as a large one: every node of its tree in proportion.

What is compared and measured before the first step would take longer than the step where documents are long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.documents.forward import Document
from sanetune.engine.documents.tree import prefix_tree

if TYPE_CHECKING:
    from sanetune.engine.documents.tree import Numbers, PrefixTree

END = 0.25
"""Share of a document's tokens, its last ones, that is in the loss of a sample. The gradient of a single token can be
small beside what it is the sum of: of SmolLM2-135M, two ways to compute it in 32 bits differed by 1e-4, and by 3e-6 of
a quarter of the tokens.
"""


def with_gaps(documents: Sequence[Document]) -> list[Document]:
    """Return ``documents`` with their last quarter in the loss, of their first one what was, and nothing between.

    Some predictions are then made in beginnings that are shared, and tokens are left out of the last layer: with every
    token in the loss it would be compared as a whole, and prove nothing for the next batch.

    >>> with_gaps([Document([*range(10, 18)], [*range(10, 18)])])[0].labels
    [-100, 11, -100, -100, -100, -100, 16, 17]
    """
    return [Document(one.ids, _gapped(one)) for one in documents]


def _gapped(document: Document) -> list[int]:
    ids, labels = list(document.ids), list(document.labels)
    end = max(1, round(END * len(ids)))
    begin = min(end, len(ids) - end)
    return [*[IGNORE_INDEX] * min(1, begin), *labels[1:begin], *[IGNORE_INDEX] * (len(ids) - end - begin), *ids[-end:]]


def in_proportion(documents: Sequence[Document], fewest: int | None, most: int) -> list[Document]:
    """Return ``documents`` with some ``most`` tokens in all.

    Of each part that the same documents share, its first tokens and its last one stay.

    >>> some = [Document([*range(10), 20, 21, 22, 23], [-100] * 14), Document([*range(10), 30, 31], [-100] * 12)]
    >>> [one.ids for one in in_proportion(some, 1, 13)]
    [[0, 1, 2, 3, 9, 20, 23], [0, 1, 2, 3, 9, 30, 31]]

    Args:
        documents: Of a batch.
        fewest: Tokens of a beginning from which on it is shared; None: none is.
        most: Tokens; documents with fewer stay as they are.
    """
    tokens = sum(len(document.ids) for document in documents)
    if tokens <= most:
        return list(documents)
    tree = prefix_tree([document.ids for document in documents], fewest)
    return [_cut(document, kept) for document, kept in zip(documents, _kept(tree, most / tokens), strict=True)]


def _kept(tree: PrefixTree, share: float) -> list[Numbers]:
    """Return for each document the numbers of its tokens that stay."""
    stays = np.zeros(len(tree.ids), dtype=bool)
    for node in tree.nodes:
        first = max(1, math.ceil(share * (node.end - node.start)) - 1)  # by which nodes differ
        stays[node.start : node.start + first] = True
        stays[node.end - 1] = True
    return [np.flatnonzero(stays[places]) for places in tree.places]


def _cut(document: Document, kept: Numbers) -> Document:
    ids, labels = ([some[at] for at in kept] for some in (document.ids, document.labels))
    return Document(ids, labels)
