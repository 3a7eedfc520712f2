"""Documents that follow no chat template: whether each ends with an end in the loss, and what form they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.evidence.batch_documents import Document
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.label_comparison import ShowWitness
from sanetune.evidence.row_format import SAMPLE, RowFormat

if TYPE_CHECKING:
    import numpy as np

BEHIND_END = 2
"""Tokens of white space that may follow an end in the loss: a line break, and a space."""


@dataclass(slots=True)
class PlainDocuments:
    """Counts them into ``stats``, where answers and ends are turns and their ends.

    Attributes:
        show: Keeps a witness.
        decode: Gives the text of ids; None where there is no tokenizer.
        ends: Ids that end a text; empty: nobody asks how the documents end.
        longest: A document of so many tokens may have been truncated; None: not known.
        special: Ids that begin or end texts, which are no part of their form.
        opening: Special ids that may close a header.
    """

    stats: SplitStats
    show: ShowWitness
    decode: Callable[[Sequence[int]], str] | None
    ends: frozenset[int]
    longest: int | None = None
    special: frozenset[int] = frozenset()
    opening: frozenset[int] = frozenset()
    _sample: list[Document] = field(default_factory=list)
    _ended: Counter[int] = field(default_factory=Counter)
    _masked: int = 0
    _endless: Counter[int] = field(default_factory=Counter)
    """Documents in the loss without an end, by length."""

    def add(self, document: Document, number: int | None) -> None:
        """Count one document."""
        import numpy as np

        if len(self._sample) < SAMPLE:
            self._sample.append(document)
        ids, in_loss = document.ids_T, document.in_loss_T
        if not self.ends or not in_loss.any():
            return
        ends = np.isin(ids, list(self.ends))
        ends[:1] = False  # where one token begins and ends texts
        masked = ends[1:] & ~in_loss[1:] & in_loss[:-1]
        last = int(np.flatnonzero(in_loss)[-1])
        end = self._end_at(ids, ends & in_loss, last)
        if end is not None:
            self._ended[int(ids[end])] += 1
        elif masked.any():
            self._masked += 1
            self.show("turns_end_masked", document, int(np.argmax(masked)) + 1, int(masked.sum()), number)
        else:
            self._endless[len(ids)] += 1
            self.show("plain_endless", document, last, 1, number)

    def _end_at(self, ids: np.ndarray, ends: np.ndarray, last: int) -> int | None:
        """Where the text ends: at the last token in the loss, or before white space, which some formats append."""
        import numpy as np

        found = np.flatnonzero(ends[: last + 1])
        if not len(found) or last - found[-1] > BEHIND_END:
            return None
        end = int(found[-1])
        behind = ids[end + 1 : last + 1].tolist()
        return end if not behind or (self.decode is not None and not self.decode(behind).strip()) else None

    def close(self) -> None:
        """Write down what was counted; documents without an end only where prompts and answers are known."""
        stats = self.stats
        if self.decode is not None and self._sample:
            found = stats.row_format = RowFormat.of(self._sample, self.decode, self.special, self.opening)
            for kind, document, at in found.shown:
                self.show(f"format_{kind}", document, at, 1, None)
            if found.whole or found.prompts_masked >= max(1, found.documents / 2):
                self._answers()
        stats.turns += self._masked + sum(self._ended.values())
        stats.turns_end_masked += self._masked
        stats.ends.update(self._ended)

    def _answers(self) -> None:
        """Answers without an end: cut where they are as long as the longest, while others have their end."""
        stats = self.stats
        full = max(self._endless, default=0) if self._ended or self._masked else None
        for length, count in self._endless.items():
            cut = length == self.longest or (length == full and count > 1)
            stats.turns += count
            if cut:
                stats.truncated += count
            else:
                stats.turns_without_end += count


def is_plain(roles_T: np.ndarray) -> bool:  # noqa: N803 -- shape suffix
    """Whether nobody is known to have written any of the tokens."""
    from sanetune.evidence.token_roles import TokenRole

    return bool((roles_T == TokenRole.TEXT).all())
