"""What the engine's own batches hold: every document of one epoch, taken apart after collation and packing.

Nothing here makes labels. They are read from the dataloader that training will use, and held against
:mod:`sanetune.evidence.roles_from_text`, which says who wrote each token and which of them should be learnt.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sanetune.finding import Witness

SHOWN = 5
"""Witnesses of each kind that are kept: the worst."""


@dataclass(slots=True)
class SplitStats:
    """One epoch of one split's dataloader, counted. A document is an example as it stands in a batch or pack."""

    split: str
    rows: int
    """Examples that the loader has to give."""
    packed: bool = False
    batches: int = 0
    documents: int = 0
    tokens: int = 0
    """Tokens of documents; padding is not among them."""
    padding: int = 0
    padding_learnt: int = 0
    """Padding with a label."""
    learnt: int = 0
    blank: int = 0
    """Documents with nothing to learn."""
    learnt_by: Counter[str] = field(default_factory=Counter)
    """Tokens in the loss by role: the names of :class:`sanetune.evidence.token_roles.TokenRole`, in lower case."""
    masked_by: Counter[str] = field(default_factory=Counter)
    """Masked tokens likewise; the first token of a document, which nothing can predict, is not counted."""
    changed: int = 0
    """Learnt tokens whose label is another id than the input at the same place."""
    shifted: int = 0
    """Documents in which most labels are the id of the next or of the previous input."""
    missing_reply: int = 0
    """Tokens of replies that the intent learns, masked."""
    disagree: int = 0
    """Tokens learnt although the independent route masks them, or masked although it learns them."""
    disagree_documents: int = 0
    turns: int = 0
    """Assistant turns that have at least one learnt token."""
    turns_without_end: int = 0
    """Those after whose text no end token stands at all (a turn that was cut is counted in ``cut`` instead)."""
    turns_end_masked: int = 0
    """Those whose end token is there and is not learnt."""
    ends: Counter[int] = field(default_factory=Counter)
    """The id that ends a turn, learnt, with how often."""
    cut: int = 0
    """Documents that stop inside an assistant turn, before its end token."""
    double_bos: int = 0
    """Documents that begin with two beginning-of-sequence tokens."""
    unknown_tokens: int = 0
    """Tokens that are the tokenizer's unknown token."""
    largest_id: int = -1
    smallest_id: int = 0
    never: int = 0
    """Examples that no batch of the epoch holds."""
    repeated: int = 0
    """Examples that come more often than the data set has them."""
    foreign: int = 0
    """Documents that are no example of the data set."""
    shuffled: bool = True
    """Whether the epoch goes through the examples in another order than the file's (by rank correlation)."""
    unread: int = 0
    """Documents of which the independent route cannot say who wrote the tokens."""
    witnesses: dict[str, list[Witness]] = field(default_factory=dict)
    """The worst documents by what is wrong with them: a counter's name -> at most SHOWN."""


@dataclass(slots=True)
class BatchStats:
    """Both splits; ``validation`` is None where there is none."""

    train: SplitStats
    validation: SplitStats | None = None

    @property
    def sides(self) -> list[SplitStats]:
        return [self.train] + ([self.validation] if self.validation else [])

    def total(self, counter: str) -> int:
        """A counter summed over both splits."""
        return sum(int(getattr(side, counter)) for side in self.sides)

    def seen(self, counter: str) -> list[Witness]:
        """The witnesses of a counter, those of training first."""
        return [witness for side in self.sides for witness in side.witnesses.get(counter, ())][:SHOWN]
