"""The rows of a built trainer as conversations, read back from their ids: from its data set, or from its batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from sanetune.data.conversation import Conversation
from sanetune.errors import Place
from sanetune.evidence.batch_documents import DocumentSplitter
from sanetune.evidence.batch_stats import SplitStats
from sanetune.evidence.known_examples import KnownExamples, unpadded
from sanetune.evidence.roles_from_ids import IdRoleFinder, decoded

if TYPE_CHECKING:
    import datasets
    import torch
    from transformers import PreTrainedTokenizerBase

    Rows: TypeAlias = datasets.Dataset | datasets.IterableDataset
    Batch: TypeAlias = dict[str, torch.Tensor]

CUT_CHARACTER = "\ufffd"
"""What a tokenizer gives for part of a character: blocks of joined texts begin and end there. It is no text."""


def has_ids(rows: object) -> bool:
    """Whether ``rows`` hold token ids before they are batched."""
    return "input_ids" in (getattr(rows, "column_names", None) or [])


@dataclass(frozen=True, slots=True)
class IdReader:
    """Reads documents back from their ids.

    Attributes:
        role_finder: None: they are plain text.
        pad: Id of the padding token, which is left out.
        ends: Ids that end a text, of which padding may be one.
    """

    tokenizer: PreTrainedTokenizerBase
    role_finder: IdRoleFinder | None
    pad: int | None
    ends: frozenset[int]

    def of_rows(self, rows: Rows, most: int | None) -> Iterator[Conversation]:
        """The documents of a data set; ``most``: rows that are read at most."""
        import numpy as np

        for number, row in enumerate(islice(rows, most)):
            ids = np.asarray(row["input_ids"])
            if not (lengths := row.get("seq_lengths")):
                mask = row.get("attention_mask")
                ids = unpadded(ids, None if mask is None else np.asarray(mask), self.pad, self.ends)
                lengths = [len(ids)]
            at = 0
            for length in lengths:
                yield self._conversation(ids[at : at + length].tolist(), Place(row=number))
                at += length

    def of_batches(self, batches: Iterable[Batch], most: int | None) -> Iterator[Conversation]:
        """The documents of batches, in their order, which tells nothing of their place in the data."""
        splitter = DocumentSplitter(SplitStats("", 0), KnownExamples(0, {}), self.pad, self.ends)
        for batch in islice(batches, most):
            arrays = {name: value.detach().cpu().numpy() for name, value in batch.items() if hasattr(value, "shape")}
            if "input_ids" not in arrays:
                return
            arrays.setdefault("labels", arrays["input_ids"])
            for document in splitter.documents(arrays):
                yield self._conversation(document.ids_T.tolist(), Place())

    def _conversation(self, ids: list[int], place: Place) -> Conversation:
        if self.role_finder is None:
            found = Conversation([], place, text=decoded(self.tokenizer, ids))
        else:
            found = self.role_finder.conversation(ids, place)
        return found if found.text is None else replace(found, text=found.text.strip(CUT_CHARACTER))
