"""Which rows are near copies of others.

Prints propose pairs; what is reported was read again from disk and compared in full. Rows that only share the wording
that all the data share (a template with other names in it) are no copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits
from sanetune.checks.rows._minhash import BANDS, BUCKETS, MinHashSignatures, hashes_of, minhash_signatures, words
from sanetune.evidence.conversations import ConversationSplit
from sanetune.finding import most_witnesses

if TYPE_CHECKING:
    import numpy as np

NEIGHBOURS = 24
"""How many rows of a band a row is compared with on either side, nearest in the next band first: bounds the work where
all rows are made from one template."""

SLACK = 0.15
"""How far an estimated similarity may be below the limit: three standard deviations of 80 minima."""

LIMITS = {
    "fewest_pairs": Limit(32, "word pairs of a row: in shorter ones a changed word changes what is said"),
    "common_rows": Limit(20, "a word pair in more rows is wording that the data share, not content; see common_share"),
    "common_share": Limit(0.05, "of the rows, where that is more than common_rows"),
    "own_pairs": Limit(12, "word pairs that are not common, which a copy has at least"),
    "own_alike": Limit(0.6, "of the word pairs that are not common, which a copy shares at least"),
}
"""Which rows are copies beside how much alike they are; limits of every check that looks for copies."""

READ_AGAIN = 20_000
"""Pairs that are compared in full; of more, this many, evenly spread, stand for all."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Row ``row`` is ``alike`` (0 to 1) to row ``other``."""

    row: int
    other: int
    alike: float


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Near copies. ``count`` rows, an estimate when more than READ_AGAIN were proposed; ``templated`` rows are as much
    alike to another, but only by common wording; ``pairs`` are the most alike."""

    count: int = 0
    templated: int = 0
    pairs: list[Pair] = field(default_factory=list)


def alike(one: list[bytes], other: list[bytes]) -> float:
    """Jaccard similarity of the neighbouring word pairs of two texts: 1 for the same pairs, 0 for none in common."""
    return _jaccard(_pairs(one), _pairs(other))


def near_copies(
    side: ConversationSplit,
    rows: np.ndarray,
    base: ConversationSplit,
    among: np.ndarray,
    limits: Limits,
    shown: int | None = None,
) -> NearDuplicates:
    """Which of ``rows`` of ``side`` are near copies of a row ``among`` those of ``base``.

    Where both are one split, of an earlier row: the first of several copies is none. ``limits``: :data:`LIMITS`, and
    how much ``alike`` copies are at least. Rows of fewer than ``fewest_pairs`` word pairs are left out.
    ``shown``: pairs that are returned; None: as many as a finding has witnesses.
    """
    import numpy as np

    rows = rows[minhash_signatures(side).pairs_N[rows] >= limits["fewest_pairs"]]
    among = among[minhash_signatures(base).pairs_N[among] >= limits["fewest_pairs"]]
    limit = limits["alike"]
    best, partner = _proposed(minhash_signatures(side), rows, minhash_signatures(base), among, side is base)
    likely = np.flatnonzero(best >= limit - SLACK)
    read = likely
    if len(likely) > READ_AGAIN:
        read = likely[np.linspace(0, len(likely) - 1, READ_AGAIN).astype(np.int64)]
    pairs, templated = [], 0
    for query in read.tolist():
        row, other = int(rows[query]), int(partner[query])
        one, two = words(side[row]), words(base[other])
        degree = alike(one, two)
        if degree < limit:
            continue
        if _shares_content(one, two, minhash_signatures(base), limits):
            pairs.append(Pair(row, other, degree))
        else:
            templated += 1
    scale = len(likely) / max(1, len(read))
    first = sorted(pairs, key=lambda pair: (-pair.alike, pair.row))[: most_witnesses() if shown is None else shown]
    return NearDuplicates(round(len(pairs) * scale), round(templated * scale), first)


def _proposed(
    own: MinHashSignatures,
    rows: np.ndarray,
    base: MinHashSignatures,
    among: np.ndarray,
    within: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """For each of ``rows`` how alike its best partner is by their minhash_signatures, and that partner."""
    import numpy as np

    best = np.zeros(len(rows), np.float32)
    partner = np.full(len(rows), -1, np.int64)
    if not len(rows) or not len(among):
        return best, partner
    for band in range(BANDS):
        keys = _keys(base, among, band)
        order = np.argsort(keys, kind="stable")
        keys, sorted_rows = keys[order], among[order]
        wanted = _keys(own, rows, band)
        at = np.searchsorted(keys, wanted)
        for direction in (range(NEIGHBOURS), range(-1, -NEIGHBOURS - 1, -1)):
            live = np.arange(len(rows))
            for offset in direction:
                place = at[live] + offset
                live = live[(place >= 0) & (place < len(keys))]
                live = live[keys[at[live] + offset] >> np.uint64(32) == wanted[live] >> np.uint64(32)]
                if not len(live):
                    break
                others = sorted_rows[at[live] + offset]
                chosen = others < rows[live] if within else np.ones(len(live), bool)
                _keep_best(own, rows, base, live[chosen], others[chosen], best, partner)
    return best, partner


def _keep_best(
    own: MinHashSignatures,
    rows: np.ndarray,
    base: MinHashSignatures,
    queries: np.ndarray,
    others: np.ndarray,
    best: np.ndarray,
    partner: np.ndarray,
) -> None:
    agree = (own.minima_NM[rows[queries]] == base.minima_NM[others]).mean(axis=1)
    degree = (agree - 1 / 256) / (1 - 1 / 256)  # one byte of two different minima agrees by chance
    better = degree > best[queries]
    best[queries[better]] = degree[better]
    partner[queries[better]] = others[better]


def _keys(printed: MinHashSignatures, rows: np.ndarray, band: int) -> np.ndarray:
    """A band's hash, and below it the next band's: sorted, the likeliest partners of a large band stand together."""
    import numpy as np

    first = printed.bands_NB[rows, band].astype(np.uint64)
    keys: np.ndarray = (first << np.uint64(32)) | printed.bands_NB[rows, (band + 1) % BANDS]
    return keys


def _shares_content(one: list[bytes], two: list[bytes], base: MinHashSignatures, limits: Limits) -> bool:
    import numpy as np

    common = max(limits["common_rows"], limits["common_share"] * len(base))
    sides = []
    for found in (one, two):
        hashes = np.unique(hashes_of(found))
        sides.append(set(hashes[base.rows_with[hashes % np.uint32(BUCKETS)] <= common].tolist()))
    return min(map(len, sides)) >= limits["own_pairs"] and _jaccard(*sides) >= limits["own_alike"]


def _pairs(found: list[bytes]) -> set[tuple[bytes, ...]]:
    return set(pairwise(found)) if len(found) > 1 else {tuple(found)}


def _jaccard(one: set, other: set) -> float:
    return len(one & other) / (len(one | other) or 1)
