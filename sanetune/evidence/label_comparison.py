"""Compares the labels of one document with what the independent route says of its tokens.

Shapes: T tokens of a document.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sanetune.evidence.batch_documents import Document
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.token_roles import EITHER, IN_LOSS, NAMES, OUTSIDE_LOSS, TokenRole, TokenRoles

if TYPE_CHECKING:
    import numpy as np

ShowWitness: TypeAlias = Callable[[str, Document, int, int, "int | None"], None]
"""Keeps a document as a witness: kind, document, token, weight, its number."""

WHOLE = 0.9
"""Share of a document's prompt tokens in the loss from which all of it is taken to be learned, headers included."""


@dataclass(frozen=True, slots=True)
class LabelComparison:
    """Counts into ``stats``.

    Attributes:
        show: Keeps a witness.
        longest: A document of so many tokens may have been truncated; None: not known.
        own_script: Whether the labels are made by a script of the user's own, which may learn marks on purpose.
    """

    stats: SplitStats
    show: ShowWitness
    longest: int | None = None
    own_script: bool = False

    def compare(self, document: Document, found: TokenRoles, number: int | None) -> None:
        """Count what only the independent route can tell."""
        import numpy as np

        stats, in_loss = self.stats, document.in_loss_T
        roles, expected = found.roles_T, found.expected_T
        for value, counts in enumerate(np.bincount(roles, weights=in_loss, minlength=len(NAMES))):
            if counts:
                stats.loss_tokens_by[NAMES[value]] += int(counts)
        for value, counts in enumerate(np.bincount(roles[1:], weights=~in_loss[1:], minlength=len(NAMES))):
            if counts:
                stats.masked_tokens_by[NAMES[value]] += int(counts)
        wrong = (expected != EITHER) & (in_loss != (expected == IN_LOSS))
        wrong[:1] = False
        stats.compared += int((expected[1:] != EITHER).sum())
        if wrong.any():
            stats.disagree += int(wrong.sum())
            stats.disagree_documents += 1
            self.show("disagree", document, int(np.argmax(wrong)), int(wrong.sum()), number)
        writes = np.isin(roles, (TokenRole.SYSTEM, TokenRole.USER, TokenRole.TOOL))
        prompt = in_loss & writes
        if prompt.any():
            self.show("on_prompt", document, int(np.argmax(prompt)), int(prompt.sum()), number)
        missing = ~in_loss & (expected == IN_LOSS) & (roles == TokenRole.ASSISTANT)
        if missing.any():
            stats.missing_reply += int(missing.sum())
            self.show("missing_reply", document, int(np.argmax(missing)), int(missing.sum()), number)
        whole = bool(writes.any()) and prompt.sum() >= WHOLE * writes.sum()
        self._explain(document, wrong, prompt | missing, found, whole=whole)
        self._turns(document, in_loss, found, number)

    def _explain(
        self, document: Document, wrong: np.ndarray, explained: np.ndarray, found: TokenRoles, *, whole: bool
    ) -> None:
        """Count which of the wrong tokens other checks name, and which are single marks of the template."""
        roles, expected, in_loss = found.roles_T, found.expected_T, document.in_loss_T
        explained = explained | ((roles == TokenRole.END) & (expected == IN_LOSS))
        marks = wrong & (roles == TokenRole.TEMPLATE) & (expected == OUTSIDE_LOSS)
        if whole:  # the headers are learned with the prompts: one cause
            explained |= marks
        if marks.any():
            leads = _leads(in_loss & (roles == TokenRole.TEMPLATE), roles)  # there the border is in the wrong place
            self.stats.headers_in_loss += int((marks & leads & ~explained).sum())
            if self.own_script:
                self.stats.marks_in_loss += int((marks & ~leads & ~explained).sum())
        self.stats.disagree_explained += int((wrong & explained).sum())

    def _turns(self, document: Document, in_loss: np.ndarray, found: TokenRoles, number: int | None) -> None:
        """How each trained assistant turn ends."""
        import numpy as np

        stats, roles = self.stats, found.roles_T
        member = np.isin(roles, (TokenRole.ASSISTANT, TokenRole.END)) | (
            (roles == TokenRole.TEMPLATE) & (found.expected_T == EITHER)
        )
        borders = np.flatnonzero(np.diff(np.concatenate([[False], member, [False]]).astype(np.int8)))
        for start, stop in borders.reshape(-1, 2).tolist():
            part = slice(start, stop)
            if not (in_loss[part] & (roles[part] != TokenRole.TEMPLATE)).any():
                continue
            stats.turns += 1
            ends = np.flatnonzero(roles[part] == TokenRole.END)
            if len(ends):
                end = start + int(ends[-1])
                if in_loss[end]:
                    stats.ends[int(document.ids_T[end])] += 1
                else:
                    stats.turns_end_masked += 1
                    self.show("turns_end_masked", document, end, 1, number)
            elif stop == len(roles) and (len(roles) < found.full_length or len(roles) == self.longest):
                stats.truncated += 1
                self.show("truncated", document, stop - 1, found.full_length - len(roles), number)
            else:
                stats.turns_without_end += 1
                self.show("turns_without_end", document, stop - 1, 1, number)


def _leads(header: np.ndarray, roles: np.ndarray) -> np.ndarray:
    """Tokens of ``header`` from which only such tokens lead to an answer."""
    import numpy as np

    leads, before_answer = np.zeros_like(header), False
    for at in range(len(header) - 1, -1, -1):
        before_answer = bool(header[at]) and (
            before_answer or (at + 1 < len(header) and roles[at + 1] == TokenRole.ASSISTANT)
        )
        leads[at] = before_answer
    return leads
