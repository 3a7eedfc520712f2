"""Which answers fit another row's prompt better than their own, told from the rare words that both share.

Shapes: N rows, W words of all their prompts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sanetune.data.conversation import Conversation
from sanetune.text import WORDS

if TYPE_CHECKING:
    import numpy as np

    from sanetune.evidence.conversations import ConversationSplit

ROWS = 50_000
"""Rows whose prompts are compared, spread over all."""
ASKED = 4_000
"""Answers that are compared with them, spread over these."""
RARE, RARE_SHARE = 50, 0.02
"""A word in more rows, or in more than this share of them, tells nothing."""
LONGEST = 20_000
"""Characters of a text that are read."""

Turn = Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class Misfit:
    """Row ``row`` has an answer that fits the prompt of row ``other`` better: numbers of rows in the split."""

    row: int
    other: int


@dataclass(frozen=True, slots=True)
class Fits:
    """How answers fit prompts.

    Attributes:
        rows: Rows with a prompt and an answer.
        asked: Answers that were compared.
        telling: Answers whose own prompt alone tells that it is theirs.
        misfits: Answers that fit another prompt better than their own, and better than that prompt's own answer does.
    """

    rows: int
    asked: int
    telling: int
    misfits: list[Misfit]


def fits(split: ConversationSplit, turn: Turn, margin: float) -> Fits:
    """Compare the first or the last answers of a split with the prompts of all rows.

    Args:
        split: The rows.
        turn: Which answer of a row; ``last`` leaves out rows of one answer.
        margin: How much better a prompt fits, in units of what tells one row from all others (ln N).
    """
    step = max(1, math.ceil(len(split) / ROWS))
    numbers, pairs = [], []
    for number, conversation in enumerate(split):
        if number % step == 0 and (pair := _hashes(conversation, turn)) is not None:
            numbers.append(number)
            pairs.append(pair)
    if len(pairs) < 2:
        return Fits(len(pairs), 0, 0, [])
    index = _Index(pairs)
    unit = math.log(len(pairs))
    asked = range(0, len(pairs), max(1, math.ceil(len(pairs) / ASKED)))
    telling, misfits = 0, []
    for row in asked:
        own, best, other = index.best(row)
        telling += own >= unit
        better = other >= 0 and best - own >= margin * unit
        if better and best - index.best(other)[0] >= margin * unit:
            misfits.append(Misfit(numbers[row], numbers[other]))
    return Fits(len(pairs), len(asked), telling, misfits)


class _Index:
    """The rare words of all prompts, and the rows that have each."""

    def __init__(self, pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        import numpy as np

        self._pairs = pairs
        count = len(pairs)
        words, rows_with = np.unique(np.concatenate([np.union1d(*pair) for pair in pairs]), return_counts=True)
        rare = rows_with <= max(3.0, min(RARE, RARE_SHARE * count))
        self._words, self._weights = words[rare], np.log(count / rows_with[rare])
        sizes = [len(prompt) for prompt, _ in pairs]
        word_W = np.concatenate([prompt for prompt, _ in pairs])  # noqa: N806
        row_W = np.repeat(np.arange(count), sizes)  # noqa: N806
        kept = self._known(word_W)
        order = np.argsort(word_W[kept], kind="stable")
        self._word_W, self._row_W = word_W[kept][order], row_W[kept][order]

    def best(self, row: int) -> tuple[float, float, int]:
        """How well the answer of ``row`` fits its own prompt, how well the best other prompt, and which that is."""
        import numpy as np

        answer = self._pairs[row][1]
        answer = answer[self._known(answer)]
        starts = np.searchsorted(self._word_W, answer)
        stops = np.searchsorted(self._word_W, answer, side="right")
        weights = np.repeat(self._weights[np.searchsorted(self._words, answer)], stops - starts)
        rows = [self._row_W[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
        if not len(weights):
            return 0.0, 0.0, -1
        found, back = np.unique(np.concatenate(rows), return_inverse=True)
        totals = np.bincount(back, weights)
        own = float(totals[found == row].sum())
        totals[found == row] = -1.0
        at = int(totals.argmax())
        return (own, float(totals[at]), int(found[at])) if totals[at] > 0 else (own, 0.0, -1)

    def _known(self, words: np.ndarray) -> np.ndarray:
        """Which of ``words`` are rare words of these rows."""
        import numpy as np

        if not len(self._words):
            return np.zeros(len(words), bool)
        at = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
        known: np.ndarray = self._words[at] == words
        return known


def texts(conversation: Conversation, turn: Turn) -> tuple[str, str] | None:
    """Return the prompt of the first or last answer, and that answer; None where there is none.

    The prompt is all that was said before, without the system message; ``last`` wants two answers at least.
    """
    answers = [
        index
        for index, message in enumerate(conversation.messages)
        if message["role"] == "assistant" and (message["content"] or message.get("tool_calls"))
    ]
    if len(answers) < (1 if turn == "first" else 2):
        return None
    at = answers[0 if turn == "first" else -1]
    before = [m["content"] for m in conversation.messages[:at] if m["role"] not in ("system", "developer")]
    answer = conversation.messages[at]
    return "\n".join(before), f"{answer['content']} {answer.get('tool_calls') or ''}"


def _hashes(conversation: Conversation, turn: Turn) -> tuple[np.ndarray, np.ndarray] | None:
    found = texts(conversation, turn)
    if found is None:
        return None
    prompt, answer = (_words_of(text[-LONGEST:].casefold()) for text in found)
    return (prompt, answer) if len(prompt) and len(answer) else None


def _words_of(text: str) -> np.ndarray:
    import numpy as np
    import xxhash

    words = {word.encode("utf-8", "replace") for word in WORDS.findall(text)}
    return np.unique(np.fromiter(map(xxhash.xxh32_intdigest, words), np.uint32, len(words)))
