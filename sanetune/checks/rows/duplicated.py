"""Rows are exact or near copies of other rows of their split.

## What it does
Compares every row with every other row of its split. Exact copies have the same messages, ignoring case, white space
and Unicode variants. Near copies share most of their word pairs (Jaccard similarity: candidates by MinHash, each
confirmed in full). Rows repeated by a source's `weight` are not counted, nor are rows that share only the wording of
a template.

## Why is this bad?
Copies are memorised before the other rows are learned, and in validation they give some rows more weight than others.

## Example
Two exports of the same conversations, joined:

```jsonl
{"prompt": "Where is my parcel?", "completion": "It left on Monday."}
{"prompt": "where is my parcel? ", "completion": "It left on Monday."}
```

## Use instead
Keep one row of each pair; `sanetune check CONFIG --write-clean DIR` writes such a copy of the data.

To repeat rows on purpose, give their source a `weight`:

```yaml
data:
  train:
    - {path: support.jsonl}
    - {path: golden.jsonl, weight: 3}
```

## Known problems
Paraphrases that share few words are not found.

## References
- [Deduplicating Training Data Makes Language Models Better](https://arxiv.org/abs/2107.06499)
- [Scaling Laws and Interpretability of Learning from Repeated Data](https://arxiv.org/abs/2205.10487)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.rows._near_duplicates import LIMITS as NEAR_LIMITS
from sanetune.evidence.conversations import SPLITS, ConversationSplit, ConversationStore
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned

if TYPE_CHECKING:
    import numpy as np

    from sanetune.checks.rows._minhash import MinHashSignatures

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True

LIMITS = {
    "alike": Limit(
        0.72,
        "of the word pairs: of rows of 60 words with three changed about 80 % agree; of clean real rows at most 69 %"
        " (demo letters; airline 66 %, gsm8k 64 %), but for sharegpt's, which are put together from few phrases",
    ),
    "exact_warn": Limit(0.01, "gsm8k, alpaca, sharegpt, drone and airline data and the demo have none"),
    "exact_fail": Limit(
        0.2, "twice the share of repeated data that cost half the model's size in Hernandez et al. 2022 (2205.10487)"
    ),
    "near_warn": Limit(0.05, "between C4 (3.04 % near copies) and RealNews (13.63 %): Lee et al. 2022, table 2"),
    **NEAR_LIMITS,
}


def measure(conversations: ConversationStore, limits: Limits) -> Measurement:
    """Copies of each split."""
    from sanetune.checks.rows._minhash import minhash_signatures
    from sanetune.checks.rows._near_duplicates import near_copies

    if len(conversations) < 2:
        raise NotApplicableError("there are not two rows to compare")
    numbers: dict[str, float] = {"rows": 0, "exact": 0, "near": 0, "templated": 0}
    exact: list[Witness] = []
    near: list[Witness] = []
    for side in conversations.sides:
        originals, copies = originals_of(minhash_signatures(side))
        exact += [_witness(side, row, first, "an exact copy of") for row, first in copies[: most_witnesses()]]
        found = near_copies(side, originals, side, originals, limits)
        near += [_witness(side, pair.row, pair.other, f"{units.share(pair.alike)} alike to") for pair in found.pairs]
        numbers[f"exact_{side.name}"], numbers[f"near_{side.name}"] = len(copies), found.count
        numbers["rows"] += len(originals) + len(copies)
        numbers["exact"] += len(copies)
        numbers["near"] += found.count
        numbers["templated"] += found.templated
    shown = exact[: most_witnesses() - min(2, len(near))] + near
    return Measurement(numbers | {"alike": limits["alike"]}, shown[: most_witnesses()])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n, rows = m.numbers, max(1, m.numbers["rows"])
    exact, near = n["exact"] / rows, n["near"] / rows
    if not n["exact"] and not n["near"]:
        return passed(f"{_rows(n)}: no copies, exact or near{_templated(n)}.")
    message = (
        f"Of {_rows(n)}, {n['exact']:,} ({units.share(exact)}) are exact copies of another and {n['near']:,}"
        f" ({units.share(near)}) near"
    )
    message += f" ones ({units.share(n['alike'])} of their word pairs alike)"
    where = [f"{n[f'{kind}_{name}']:,} {kind} in {name}" for kind in ("exact", "near") for name in SPLITS]
    message += f": {', '.join(part for part in where if not part.startswith('0 '))}{_templated(n)}."
    if exact >= limits["exact_fail"]:
        return failed(message)
    if exact >= limits["exact_warn"] or near >= limits["near_warn"]:
        return warned(message)
    return passed(f"{message} That is too few to matter.")


def _rows(n: dict[str, float]) -> str:
    return units.many(int(n["rows"]), "row")


def _templated(n: dict[str, float]) -> str:
    return f"; {n['templated']:,} are alike by wording that many rows share" if n["templated"] else ""


def originals_of(found: MinHashSignatures) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The rows that are the first of their kind, and (copy, first) of the others. A row that a source repeats is looked
    at once."""
    import numpy as np

    from sanetune.checks.rows._minhash import first_of

    once = np.unique(found.place_N, return_index=True)[1]
    once.sort()
    first = once[first_of(found.whole_N[once])]
    copied = first != once
    return once[~copied], list(zip(once[copied].tolist(), first[copied].tolist(), strict=True))


def _witness(side: ConversationSplit, row: int, other: int, note: str) -> Witness:
    from sanetune.checks._excerpts import outline

    one, two = side[row], side[other]
    return Witness(outline(one), one.place, f"{note} {two.place}", outline(two), side.name)
