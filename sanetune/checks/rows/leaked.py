"""Validation rows also appear in the training set: exactly, nearly, inside a longer row, or with the same prompt.

## What it does
Compares every validation row with every training row. *Exact*: the same messages, ignoring case, white space and
Unicode variants. *Same prompt*: everything but the assistant's turns is the same, whatever the answer (prompts of
fewer than four words, and prompts that training repeats in very many rows, do not count). *Part of*: half or more of
the row's answers, in words, are in one training row, each after the same message: the row is the beginning or
another run of turns of a longer conversation, or the other way round (set phrases that many training rows hold, and
fewer than 20 words, do not count). *Near*: 72 % of the word pairs are the same (candidates by MinHash, each confirmed
in full); rows that share only the wording of a template do not count.

A copy of which training has seen the answer lowers the validation loss by its share of the rows, at most about. The
check fails where that is 1 % or more and more than the noise that so few rows leave in their mean loss (one row of
10, two of 40, three of 100); fewer are a warning.

## Why is this bad?
Validation loss then measures memory. It falls although nothing generalises, and overfitting and the best checkpoint
cannot be seen.

## Example
A split made after rows were reworded or copied:

```yaml
data:
  train: all.jsonl
  validation: sample-of-all.jsonl
```

## Use instead
Remove these rows from one split, or let sanetune split the training rows (`data.holdout`): rows with the same prompt
stay together.

```yaml
data:
  train: all.jsonl
  holdout: 0.1
```

## References
- [Deduplicating Training Data Makes Language Models Better](https://arxiv.org/abs/2107.06499): overlap in published
  splits
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.rows._near_duplicates import LIMITS as NEAR_LIMITS
from sanetune.evidence.conversations import ConversationStore
from sanetune.finding import Judgement, Measurement, Witness, failed, most_witnesses, passed, warned

if TYPE_CHECKING:
    import numpy as np

    from sanetune.checks.rows._near_duplicates import NearDuplicates
    from sanetune.checks.rows._shared_turns import Overlap

FIX = "none"
DEPENDS_ON = ("rows",)
BY_ROW = True
VERSION = 2

LIMITS = {
    "exact_fail": Limit(0.01, "none in gsm8k's published test split; C4's validation had 4.6 % (Lee et al. 2022)"),
    "noise": Limit(
        0.3,
        "standard deviation of the mean losses of rows, as a share of their mean: 0.2 on gsm8k, 0.4 on Alpaca rows"
        " (SmolLM2-135M-Instruct); a mean over n rows is uncertain by it over the root of n",
    ),
    "near_warn": Limit(0.002, "none among gsm8k's 1,319 test rows, nor in the held-out rows of clean real data"),
    "near_fail": Limit(0.05, "the size of C4's overlap, which Lee et al. 2022 found to distort its evaluation"),
    "alike": Limit(
        0.72,
        "of the word pairs: of clean real rows in different splits at most 65 % agree (demo letters; gsm8k 39 %), of"
        " copies of 60 words with three changed about 80 %",
    ),
    "fewest_pairs_alone": Limit(8, "word pairs: nobody writes a row without a prompt of so many twice by chance"),
    "generic": Limit(20, "training rows: a prompt in more of them is an instruction used on purpose"),
    "run_share": Limit(
        0.5,
        "of the words of a row's answers: repeated attempts at one task share at most 47 % of them (airline), parts of"
        " a longer conversation all",
    ),
    "text_share": Limit(
        0.8,
        "of the words of a plain text: pages of a longer text share all; letters with the same sentences half (demo)",
    ),
    "run_words": Limit(20, "ours: words of the shared turns; a greeting and its answer have fewer"),
    **NEAR_LIMITS,
}


def measure(conversations: ConversationStore, limits: Limits) -> Measurement:
    """Validation rows found in training; a row is counted once, for the strongest of the four reasons."""
    import numpy as np

    from sanetune.checks.rows._minhash import minhash_signatures
    from sanetune.checks.rows._near_duplicates import near_copies
    from sanetune.checks.rows._shared_turns import shared_turns

    train, validation = conversations.sides
    if not len(validation) or not len(train):
        raise NotApplicableError(
            "there is no validation split" if not len(validation) else "there is no training split"
        )
    base, found = minhash_signatures(train), minhash_signatures(validation)
    counted = (found.prompt_N != 0) | (found.pairs_N >= limits["fewest_pairs_alone"])
    whole = _partners(found.whole_N, base.whole_N, counted)
    prompt = np.where(whole < 0, _partners(found.prompt_N, base.prompt_N, found.prompt_N != 0, limits["generic"]), -1)
    left = np.flatnonzero((whole < 0) & (prompt < 0))
    parts = shared_turns(validation, left, train, limits)
    left = np.setdiff1d(left, [part.row for part in parts])
    near = near_copies(validation, left, train, np.arange(len(base)), limits)
    numbers = {
        "validation": len(validation),
        "train": len(train),
        "exact": int((whole >= 0).sum()),
        "prompt": int((prompt >= 0).sum()),
        "part": len(parts),
        "near": near.count,
        "templated": near.templated,
        "alike": limits["alike"],
    }
    return Measurement(numbers, _witnesses(conversations, whole, prompt, parts, near))


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    rows, sure = n["validation"], n["exact"] + n["prompt"] + n["part"]
    scope = f"{units.many(rows, 'validation row')} against {units.many(n['train'], 'training row')}"
    also = f" {n['templated']:,} are alike by wording that many rows share." if n["templated"] else ""
    if not sure and not n["near"]:
        return passed(f"{scope}: none is in training, exactly, nearly, in part or with its prompt.{also}")
    parts = [
        f"{n['exact']:,} exactly" if n["exact"] else "",
        f"{n['prompt']:,} with the same prompt and another answer" if n["prompt"] else "",
        f"{n['part']:,} as part of a longer row" if n["part"] else "",
        f"{n['near']:,} nearly ({units.share(n['alike'])} of the word pairs or more)" if n["near"] else "",
    ]
    all_, share = sure + n["near"], (sure + n["near"]) / rows
    message = f"{all_:,} of {units.many(rows, 'validation row')} ({units.share(share)}) are also in training: "
    message += f"{', '.join(part for part in parts if part)}.{also}"
    answered = n["exact"] + n["part"]  # a prompt alone gives no answer away
    noise = limits["noise"] / rows**0.5
    if answered / rows >= max(limits["exact_fail"], noise) or share >= max(limits["near_fail"], noise):
        return failed(message)
    if answered:
        message += f" That lowers the validation loss by about {units.share((answered + n['near']) / rows)} at most."
    if sure or n["near"] / rows >= limits["near_warn"]:
        return warned(message)
    return passed(f"{message} That is too few to matter.")


def _partners(
    wanted: np.ndarray,
    base: np.ndarray,
    counted: np.ndarray,
    most: float | None = None,
) -> np.ndarray:
    """For each wanted hash the first row of ``base`` with it, or -1; -1 too where more than ``most`` have it."""
    import numpy as np

    values, first, counts = np.unique(base, return_index=True, return_counts=True)
    at = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    found = (values[at] == wanted) & counted
    if most is not None:
        found &= counts[at] <= most
    return np.where(found, first[at], -1)


def _witnesses(
    conversations: ConversationStore,
    whole: np.ndarray,
    prompt: np.ndarray,
    parts: list[Overlap],
    near: NearDuplicates,
) -> list[Witness]:
    reasons = [
        [(row, int(whole[row]), "the same as") for row in (whole >= 0).nonzero()[0][: most_witnesses()].tolist()],
        [
            (row, int(prompt[row]), "the same prompt as")
            for row in (prompt >= 0).nonzero()[0][: most_witnesses()].tolist()
        ],
        [(p.row, p.other, f"{p.shared} of its {p.exchanges} answers are in") for p in parts[: most_witnesses()]],
        [(pair.row, pair.other, f"{units.share(pair.alike)} alike to") for pair in near.pairs],
    ]
    from sanetune.checks._excerpts import outline

    # The first of each kind, so that one kind does not hide the others; then the rest.
    chosen = [kind[0] for kind in reasons if kind] + [entry for kind in reasons for entry in kind[1:]]
    shown = []
    for row, other, note in chosen[: most_witnesses()]:
        one, two = conversations.validation[row], conversations.train[other]
        shown.append(Witness(outline(one), one.place, f"{note} training row {two.place}", outline(two), "validation"))
    return shown
