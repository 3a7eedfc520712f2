"""Some answers belong to the prompts of other rows.

## What it does
Compares every answer with its own prompt and with the prompts of all other rows, by the rare words that they share (of
50,000 rows, up to 4,000 answers; the first and the last answers of rows of several turns apart). An answer is in the
wrong place where another row's prompt fits it far better than its own, and far better than that row's own answer fits.
How many there are in all is estimated: an answer tells its prompt as often in the wrong place as in the right one.
Over all rows of several turns, it compares what the last answer shares with the turns before it and with other rows'.
Skipped where answers share too few words with their prompts to tell; `model-pairs-shuffled` asks the model.

## Why is this bad?
The model learns to answer another question than was asked.

The loss still falls: these answers are memorised. A share of them is seen neither in the curve nor in an average over
the rows.

## Example
A part of the rows was sorted, filtered or generated again, and only one of two columns was replaced:

```python
answers[1000:2000] = sorted(answers[1000:2000])
```

## Use instead
Join prompts and answers again by their key, or remove the rows shown.

```python
rows = ((prompts[key], answers[key]) for key in prompts)
```

## Known problems
Rows whose answers share no rare words with any prompt are not found one by one. The estimate is too low where their own
prompts are not among the rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned
from sanetune.text import shorten

if TYPE_CHECKING:
    from sanetune.checks.rows._word_pairs import Misfit, Turn
    from sanetune.evidence.conversations import ConversationSplit, ConversationStore
    from sanetune.evidence.prompt_answer_overlap import Association

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True
VERSION = 2

LIMITS = {
    "margin": Limit(1.0, "ln N of N rows: what tells one row from all others; one misfit per 1,000 clean real rows"),
    "warn": Limit(0.005, "of the answers: at most 0.2 % in clean real data; where 2 % are swapped 1.0 to 2.0 %"),
    "fail": Limit(0.05, "ours: of the answers, as estimated; a twentieth is no slip of single rows"),
    "fewest": Limit(4, "ours: up to three may be rows on one subject"),
    "telling": Limit(
        0.4, "ours: of the answers, whose words have to tell their own prompt; 0.68 to 0.97 in clean real data"
    ),
    "rows": Limit(50, "of fewer rows words cannot tell"),
    "last_t": Limit(
        2.5, "standard errors; last answers in their place have 15 (airline) to 104 (demo), swapped ones up to 2.5"
    ),
    "different": Limit(0.5, "ours: share of different last answers; one that is in many rows belongs to none"),
    "words": Limit(6, "ours: words of the median last answer; a farewell shares none with what was said"),
}


def measure(conversations: ConversationStore, limits: Limits) -> Measurement:
    """Misfits among the first answers of all training rows and among the last of those with several."""
    from sanetune.checks._excerpts import interleave
    from sanetune.checks.rows._word_pairs import fits
    from sanetune.evidence.prompt_answer_overlap import association, last_pair

    split = conversations.train
    together = association(conversations, last_pair)
    first, last = (fits(split, turn, limits["margin"]) for turn in ("first", "last"))
    found = {name: one for name, one in (("first", first), ("last", last)) if one.rows >= limits["rows"]}
    if not found:
        raise NotApplicableError(f"{units.many(first.rows, 'row')} with a prompt and an answer are too few to tell")
    telling = max(one.telling / one.asked for one in found.values())
    most = max(len(one.misfits) for one in found.values())
    judged_together = _is_telling(together, limits)
    if telling < limits["telling"] and most < limits["fewest"] and not judged_together:
        raise NotApplicableError(f"only {units.share(telling)} of the answers share rare words with their prompts")
    numbers: dict[str, float] = {"telling": round(telling, 4)}
    for name, one in found.items():
        numbers |= {name: len(one.misfits), f"{name}_asked": one.asked, f"{name}_telling": one.telling}
    if judged_together:
        numbers |= {"last_rows": together.rows, "last_more": round(together.more, 4), "last_t": round(together.t, 2)}
    shown = [
        [_witness(split, misfit, name) for misfit in one.misfits[: most_witnesses()]] for name, one in found.items()
    ]
    return Measurement(numbers, interleave(shown))


def _is_telling(last: Association, limits: Limits) -> bool:
    return last.rows >= limits["rows"] and last.different >= limits["different"] and last.words >= limits["words"]


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    parts, worst, all_in_all = [], 0.0, 0.0
    for name in ("first", "last"):
        if name not in n:
            continue
        share = n[name] / n[f"{name}_asked"]
        parts.append(f"{n[name]:,} of {n[f'{name}_asked']:,} {name} answers ({units.share(share)})")
        if n[name] >= limits["fewest"]:
            worst, all_in_all = max(worst, share), max(all_in_all, n[name] / (n[name] + n[f"{name}_telling"]))
    about = f"; about {units.share(all_in_all)} do, with those that share no words" if worst >= limits["warn"] else ""
    message = f"{' and '.join(parts)} fit another row's prompt far better than their own{about}."
    if worst >= limits["warn"] and all_in_all >= limits["fail"]:
        return failed(message)
    if n.get("last_t", math.inf) < limits["last_t"]:
        return warned(
            f"The last answers of {n['last_rows']:,} rows share no more words with the turns before them than with"
            f" other rows' ({n['last_t']:.1f} standard errors); {message[:1].lower()}{message[1:]}"
        )
    if worst >= limits["warn"]:
        return warned(message)
    return passed(
        f"{message} {'That is too few to matter.' if any(n.get(k) for k in ('first', 'last')) else ''}".strip()
    )


def _witness(split: ConversationSplit, misfit: Misfit, turn: Turn | str) -> Witness:
    from sanetune.checks.rows._word_pairs import texts

    one, other = split[misfit.row], split[misfit.other]
    own, better = texts(one, "last" if turn == "last" else "first"), texts(other, "last" if turn == "last" else "first")
    assert own is not None and better is not None
    note = f"this answer fits the prompt of {other.place} better"
    return Witness(
        f"{shorten(own[0][-200:], 200)}\n→ {shorten(own[1], 200)}", one.place, note, shorten(better[0], 300), split.name
    )
