"""Losses of single documents under one model, matched with those under another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sanetune.curves.paired import PairedDifference, paired_difference
from sanetune.curves.series import Evaluation


@dataclass(frozen=True, slots=True)
class DocumentLosses:
    """What one model makes of the validation documents.

    Attributes:
        digests: Of each document's tokens and labels.
        sums: Loss of each document in nats, summed over its tokens.
        tokens: Tokens in the loss of each document.
    """

    digests: tuple[str, ...]
    sums: tuple[float, ...]
    tokens: tuple[int, ...]

    @property
    def evaluation(self) -> Evaluation:
        """The same as an evaluation, whose rows are in the order of their digests, whatever the packs were."""
        order = sorted(range(len(self.digests)), key=lambda at: self.digests[at])
        return Evaluation.of(0, [self.sums[at] for at in order], [self.tokens[at] for at in order])

    @property
    def loss(self) -> float:
        """Mean over the tokens in the loss, in nats."""
        return self.evaluation.loss

    def only_here(self, other: DocumentLosses) -> list[int]:
        """Return the positions of documents that ``other`` does not have, or has fewer times."""
        left = Counter(other.digests)
        found = []
        for at, digest in enumerate(self.digests):
            if left[digest]:
                left[digest] -= 1
            else:
                found.append(at)
        return found

    def over(self, other: DocumentLosses) -> PairedDifference | None:
        """Return by how much this loss is higher than that of ``other`` in nats per token, over the same documents.

        Returns:
            None where they are not the same documents, or fewer than two.

        >>> one = DocumentLosses(("a", "b"), (20.0, 30.0), (10, 10))
        >>> one.over(DocumentLosses(("b", "a"), (26.0, 18.0), (10, 10))).mean
        0.3
        """
        if self.only_here(other) or other.only_here(self):
            return None
        return paired_difference(self.evaluation, other.evaluation)
