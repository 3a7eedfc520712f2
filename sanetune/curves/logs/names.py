"""Names of metrics as programs write them, turned into those of transformers' Trainer.

The same loss is called ``train/loss`` by TensorBoard and W&B callbacks, ``Loss/train`` by hand-written loops,
``train_loss_step`` by Lightning and ``loss`` by transformers. Of several names for one thing that occur in a log, the
first in the order below is taken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from sanetune.curves.logs.entries import ENDED, VALIDATION_LOSS, Entry, is_set_loss, number

PATTERNS: dict[str, tuple[str, ...]] = {
    "step": (
        r"step",
        r"(train|trainer)/global_step",
        r"global_step",
        r"current_steps?",
        r"(train/)?(steps?|iter|iterations?|iter_num|num_steps)",
        r"_step",
        r"rounds?",
    ),
    "loss": (
        r"(train/|training/)?loss",
        r"loss/train(ing)?",
        r"(train/)?train(ing)?[_ ]loss([_/]step)?",
        r"train/(loss_step|lm_loss|ce_loss|loss_avg)",
        r"lm[_ ]loss",
        r"(train(ing)?[_ ])?(mean|avg|average|epoch)[_ ](train(ing)?[_ ])?loss",
        r"train(ing)?[_/]loss[_/]epoch",
    ),
    "learning_rate": (r"(train/|optim/)?(learning[_ ]rate|lr)", r"(train/|optim/)?(learning[_ ]rate|lr)[-/_].*"),
    "grad_norm": (r"(train/|optim/)?(total_)?(grad(ient)?[_/-]norm|gnorm)(/total|_total)?",),
    "epoch": (r"(train/|trainer/)?epochs?", r"current_epoch"),
}
"""A name of transformers -> patterns of names for the same thing (lower case), the best first."""

EVALUATED = re.compile(r"(?:evaluation|eval|validation|valid|val|dev|test)(?:[/_. -](.+?))??[/_. -]?loss(?:[_/]epoch)?")
"""A validation loss; the group is the name of the set, empty where there is one."""
EVALUATED_LAST = re.compile(r"loss[/_. -](?:evaluation|eval|validation|valid|val|dev|test)()")

TRAINING_WORDS = frozenset({"train", "training", "tr", "trn"})
VALIDATION_WORDS = frozenset({"evaluation", "eval", "validation", "valid", "val", "dev", "test"})
NEUTRAL_WORDS = frozenset(
    {"loss", "losses", "epoch", "epochs", "step", "steps", "iter", "iters", "iteration", "iterations", "batch", "per",
     "token", "mean", "avg", "average", "running", "total", "lm", "ce", "nll", "cross", "entropy", "metric", "metrics",
     "scalars", "logs"}
)  # fmt: skip
"""Words of a loss's name that do not say of which rows it is: ``epoch/train_loss``, ``metrics/batch_loss``."""


SUMMARY = re.compile(r"(train/)?train_loss")
"""The mean of all steps, which a Trainer logs once, when training has returned. ``train/loss`` is that of a step."""


def renamed(entries: Sequence[Mapping[str, object]]) -> list[Entry]:
    """The entries under the names of transformers; names that mean nothing here stay.

    >>> renamed([{"train/global_step": 5, "train/loss": 2.0, "_step": 0}, {"train/global_step": 5, "eval/loss": 2.5}])
    [{'step': 5, 'loss': 2.0, '_step': 0}, {'step': 5, 'eval_loss': 2.5}]

    The summary at the end of a run of transformers has means of all steps, which are the values of none.
    """
    steps = [entry for entry in entries if not any(str(name).endswith(ENDED) for name in entry)]
    counts = Counter(name for entry in steps for name, value in entry.items() if number(value) is not None)
    names = _choice(counts)
    return [{names.get(name, name): value for name, value in entry.items()} for entry in entries]


def validation_loss_names(entries: Sequence[Entry]) -> list[str]:
    """The names of validation losses: ``eval_loss`` first, then the others, the one that was logged most often first.

    >>> validation_loss_names([{"eval_b_loss": 2.0, "eval_a_loss": 3.0}, {"eval_a_loss": 1.0}])
    ['eval_a_loss', 'eval_b_loss']
    """
    names = Counter(
        name
        for entry in entries
        for name, value in entry.items()
        if (name == VALIDATION_LOSS or is_set_loss(name)) and number(value) is not None
    )
    return sorted(names, key=lambda name: (name != VALIDATION_LOSS, -names[name]))


def _choice(counts: Mapping[str, int]) -> dict[str, str]:
    """A name in the log -> the name of transformers."""
    chosen: dict[str, str] = {}
    for target, patterns in PATTERNS.items():
        if target not in counts and (name := _first(counts, patterns)):
            chosen[name] = target
    for name in counts:
        if name not in chosen and name not in PATTERNS and (evaluated := _validation(name)):
            chosen[name] = evaluated
    for target, of in (("loss", TRAINING_WORDS), (VALIDATION_LOSS, VALIDATION_WORDS)):
        named = [one for one in sorted(counts) if chosen.get(one) != "loss" and _is_loss(one, of)]
        if target not in {*counts, *chosen.values()} and (name := _most(named, counts)):
            chosen[name] = target
    return chosen


def _first(counts: Mapping[str, int], patterns: Sequence[str]) -> str | None:
    """The name that the first pattern with any matches; of several the one that was logged most often."""
    for pattern in patterns:
        if best := _most([name for name in counts if re.fullmatch(pattern, name.strip().lower())], counts):
            return best
    return None


def _most(names: Sequence[str], counts: Mapping[str, int]) -> str | None:
    """The name that was logged most often, of several the shortest; None where it is that of a summary, one value
    beside metrics with many."""
    best = max(names, key=lambda name: (counts[name], -len(name)), default=None)
    if best and SUMMARY.fullmatch(best.strip().lower()) and counts[best] == 1 and max(counts.values()) > 2:
        return None
    return best


def _is_loss(name: str, of: frozenset[str]) -> bool:
    """Whether the words of a name say a loss, of rows of the kind that ``of`` has words for. A training loss may be of
    none."""
    words = set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    said = words - NEUTRAL_WORDS
    return bool(words & {"loss", "losses"}) and said <= of and (bool(said) or of is TRAINING_WORDS)


def _validation(name: str) -> str | None:
    """``eval_loss`` or ``eval_SET_loss`` where ``name`` is a validation loss."""
    plain = name.strip()
    found = EVALUATED.fullmatch(plain.lower()) or EVALUATED_LAST.fullmatch(plain.lower())
    if found is None or (name.startswith("eval_") and name.endswith("_loss")):
        return None
    start, end = found.span(1)
    return f"eval_{plain[start:end]}_loss" if found.group(1) else VALIDATION_LOSS
