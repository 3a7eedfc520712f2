"""The statistics of the engine's own batches: every document of one epoch, after collation and packing.

Nothing here makes labels. They are read from the dataloader that training will use, and compared with
:mod:`sanetune.evidence.roles_from_text`, which says who wrote each token and which of them should be in the loss.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.finding import MOST_WITNESSES, Witness

if TYPE_CHECKING:
    from sanetune.evidence.row_format import RowFormat


@dataclass(slots=True)
class SplitStats:
    """One epoch of one split's dataloader, counted. A document is an example as it is in a batch or pack."""

    split: str
    rows: int
    """Examples that the loader has to give."""
    packed: bool = False
    batches: int = 0
    documents: int = 0
    tokens: int = 0
    """Tokens of documents; padding is not among them."""
    padding: int = 0
    padding_in_loss: int = 0
    """Padding with a label."""
    padding_behind_text: int = 0
    """Rows of whose padding one token alone has a label, the first behind the text."""
    loss_tokens: int = 0
    """Tokens with a label."""
    fully_masked: int = 0
    """Documents whose every label is masked."""
    loss_tokens_by: Counter[str] = field(default_factory=Counter)
    """Tokens in the loss by role: the names of :class:`sanetune.evidence.token_roles.TokenRole`, in lower case."""
    masked_tokens_by: Counter[str] = field(default_factory=Counter)
    """Masked tokens likewise; the first token of a document, which nothing can predict, is not counted."""
    changed: int = 0
    """Tokens in the loss whose label is another id than the input at the same place."""
    changed_to_end: int = 0
    """Those whose label is an end token: what some scripts learn where the next turn begins."""
    shifted: int = 0
    """Documents in which most labels are the id of the next or of the previous input."""
    missing_reply: int = 0
    """Masked tokens of replies that the intent puts in the loss."""
    disagree: int = 0
    """Tokens that are in the loss by the labels or by the independent route, and not by the other."""
    disagree_documents: int = 0
    disagree_explained: int = 0
    """Those of ``disagree`` that are prompts in the loss, masked replies or masked ends, which other checks tell."""
    marks_in_loss: int = 0
    """Those that are marks of the template in the loss, apart from answers: what some scripts do on purpose."""
    headers_in_loss: int = 0
    """Those that are headers in the loss, up to the answer below them."""
    compared: int = 0
    """Tokens that the independent route has put inside or outside the loss."""
    turns: int = 0
    """Assistant turns with at least one token in the loss."""
    turns_without_end: int = 0
    """Those without an end token after their text (a truncated turn is counted in ``truncated`` instead)."""
    turns_end_masked: int = 0
    """Those whose end token is there and masked."""
    ends: Counter[int] = field(default_factory=Counter)
    """The id that ends a turn, in the loss, with how often."""
    truncated: int = 0
    """Documents that stop inside an assistant turn, before its end token."""
    double_bos: int = 0
    """Documents that begin with two beginning-of-sequence tokens."""
    inner_bos: int = 0
    """Documents whose loss begins, behind a masked part, with a beginning-of-sequence token."""
    unknown_tokens: int = 0
    """Tokens that are the tokenizer's unknown token."""
    largest_id: int = -1
    smallest_id: int = 0
    never: int = 0
    """Examples that no batch of the epoch holds."""
    repeated: int = 0
    """Examples that come more often than the data set has them."""
    not_in_data: int = 0
    """Documents that are no example of the data set."""
    shuffled: bool = True
    """Whether the epoch goes through the examples in another order than the file's (by rank correlation)."""
    order_known: bool = True
    """Whether enough rows (or packs) came to tell."""
    roles_unknown: int = 0
    """Documents of which the independent route cannot say who wrote the tokens."""
    plain: int = 0
    """Documents without turns, of which it says so."""
    row_format: RowFormat | None = None
    """What the documents of both these kinds share; None where there are none, or no tokenizer."""
    unlabelled: int = 0
    """Batches without labels."""
    sampler: str = ""
    """The sampler that gives rows as its author likes; "" where each is meant to come once."""
    processes: int = 1
    """Processes that the batches are shared among."""
    distinct: int = 0
    """Documents that differ, where several processes read them."""
    shared: int = 0
    """Those of them that come to more than one process."""
    apart: bool = False
    """Whether processes hold different rows before the trainer shares them out."""
    largest_pack: int = 1
    """Examples of the row that has most of them."""
    unsendable: int = 0
    """Batches that the main process cannot send with those of the others, because their shapes differ."""
    partial: bool = False
    """Whether the run, and this reading of it, ends before the epoch does."""
    witnesses: dict[str, list[Witness]] = field(default_factory=dict)
    """The worst documents by what is wrong with them: a counter's name -> at most MOST_WITNESSES."""


@dataclass(slots=True)
class BatchStats:
    """Both splits; ``validation`` is None where there is none.

    Attributes:
        pad: Id of the padding token; None: there is none.
        own_loss: Whether the trainer computes its loss by code of its own, other than its labels say. The labels are
            then those that this code acts on, in the first batches.
        labels_unproved: Why it is not known what that code acts on; "" where it is.
    """

    train: SplitStats
    validation: SplitStats | None = None
    pad: int | None = None
    own_loss: bool = False
    labels_unproved: str = ""

    @property
    def splits(self) -> list[SplitStats]:
        return [self.train] + ([self.validation] if self.validation else [])

    def total(self, counter: str) -> int:
        """A counter summed over both splits."""
        return sum(int(getattr(split, counter)) for split in self.splits)

    def seen(self, counter: str) -> list[Witness]:
        """The witnesses of a counter, those of training first."""
        return [witness for split in self.splits for witness in split.witnesses.get(counter, ())][:MOST_WITNESSES]
