"""Losses that bear one name, of which a column beside them says whether they are of training or of validation rows.

``{"step": 10, "split": "val", "loss": 2.0}`` is no training loss. Averaged into those of its step it would be none of
either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sanetune.curves.logs.entries import VALIDATION_LOSS, Entry
from sanetune.curves.logs.names import TRAINING_WORDS, VALIDATION_WORDS

COLUMNS = frozenset({"kind", "split", "phase", "stage", "mode", "subset"})
"""Names of such columns. One of another name counts where it tells some losses from others: a run may be called so."""
TEST = "test"
"""Rows that decide nothing where others are evaluated too."""
FLAGS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
"""What a column called ``is_eval`` or ``train`` says, as programs write it."""


def by_kind(entries: Sequence[Mapping[str, object]]) -> list[Entry]:
    """Return the entries under transformers' names, each loss of validation rows under a name of its own.

    >>> by_kind([{"step": 1, "split": "train", "loss": 2.0}, {"step": 1, "split": "val", "loss": 2.5}])[1]
    {'step': 1, 'split': 'val', 'eval_loss': 2.5}
    """
    losses = [entry for entry in entries if "loss" in entry]
    columns = sorted(set[str]().union(*losses))
    words = next(filter(None, (_words([entry.get(column) for entry in losses], column) for column in columns)), None)
    if not words:
        return list(entries)
    counts = Counter(word for word in words if word)
    decides = max(counts, key=lambda word: (word != TEST, counts[word]))
    following = iter(words)
    return [_named(entry, next(following), decides) if "loss" in entry else entry for entry in entries]


def _named(entry: Entry, word: str, decides: str) -> Entry:
    if not word:
        return entry
    loss = VALIDATION_LOSS if word == decides else f"eval_{word}_loss"
    return {loss if name == "loss" else name: value for name, value in entry.items()}


def _words(values: Sequence[object], column: str) -> list[str]:
    """The validation rows that each loss is of, as the ``values`` beside it call them, empty for training rows; none at
    all where the column says nothing of the kind."""
    plain = column.lower().removeprefix("is_")
    if plain in TRAINING_WORDS | VALIDATION_WORDS:
        flags = [FLAGS.get(str(value).strip().lower()) for value in values]
        both = set(flags) == {True, False}
        return ["eval" if flag is (plain in VALIDATION_WORDS) else "" for flag in flags] if both else []
    words = [value.strip().lower() if isinstance(value, str) else "" for value in values]
    words = [word if word in VALIDATION_WORDS else "" for word in words]
    divides = any(words) and (not all(words) or plain in COLUMNS)
    return words if divides else []


def is_word(text: str) -> bool:
    """Whether a text may say of which rows a loss is, or yes or no.

    >>> [is_word(text) for text in ("Val", "train", "True", "run 7")]
    [True, True, True, False]
    """
    return text.strip().lower() in TRAINING_WORDS | VALIDATION_WORDS | FLAGS.keys()
