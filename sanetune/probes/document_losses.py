"""The loss of a model on each validation document, so that models can be compared row by row.

Shapes: T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sanetune.curves.documents import DocumentLosses
from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.batches import Batch, Collate, collate_for, on_device
from sanetune.engine.loss import fitting, token_losses
from sanetune.engine.models import attention_of
from sanetune.rng import kept_modes
from sanetune.text import shorten

if TYPE_CHECKING:
    import datasets
    from transformers import PreTrainedModel

    from sanetune.data.prepare import Prepared

LENGTH = 60
"""Characters of a row's text that name it."""


@dataclass(frozen=True, slots=True)
class Document:
    """A validation document; in packs there are several to a row.

    Attributes:
        digest: Of its tokens and labels: equal documents have equal digests.
        source: Number of its row in its file, from 0; None: not known.
        ids: Its tokens.
    """

    digest: str
    source: int | None
    ids: list[int]

    def words(self, prepared: Prepared) -> str:
        """Return what names it in a message: its row and the end of its text."""
        text = " ".join(str(prepared.tokenizer.decode(self.ids, skip_special_tokens=True)).split())
        row = "" if self.source is None else f"row {self.source}: "
        return f"{row}{shorten(text, LENGTH)!r}"


def documents(rows: datasets.Dataset) -> Iterator[Document]:
    """Yield the documents of ``rows``, in their order."""
    import numpy as np
    import xxhash

    for number in range(len(rows)):
        row = rows[number]
        lengths, start = row.get("seq_lengths") or [len(row["input_ids"])], 0
        sources = row["rows"] if "rows" in row else [row.get("row")]
        for length, source in zip(lengths, sources, strict=True):
            ids, labels = (row[name][start : start + length] for name in ("input_ids", "labels"))
            # The first label of a document is never predicted.
            content = np.asarray([ids, [IGNORE_INDEX, *labels[1:]]], dtype=np.int64).tobytes()
            yield Document(xxhash.xxh3_64_hexdigest(content), source, ids)
            start += length


def document_losses(model: PreTrainedModel, prepared: Prepared) -> DocumentLosses | None:
    """Return the loss of ``model`` on each validation document; None where there are no validation rows."""
    rows = prepared.validation
    if rows is None or not len(rows):
        return None
    collate = collate_for(prepared.tokenizer.pad_token_id, attention_of(model))
    vocabulary = int(model.get_input_embeddings().weight.shape[0])
    device = next(model.parameters()).device
    with torch.no_grad(), kept_modes(model):
        model.eval()
        sums, tokens = summed(rows, collate, vocabulary, device, lambda batch: token_losses(model, batch))
    return DocumentLosses(tuple(one.digest for one in documents(rows)), tuple(sums), tuple(tokens))


def summed(
    rows: datasets.Dataset,
    collate: Collate,
    vocab_size: int,
    device: torch.device,
    losses_of: Callable[[Batch], Tensor],
) -> tuple[list[float], list[int]]:
    """Return the summed loss of each document (nats), and its tokens in the loss.

    Args:
        rows: Examples or packs.
        collate: What makes a batch of them.
        vocab_size: Tokens that the model can write.
        device: Where batches go.
        losses_of: The loss of each token of a batch (B, T) in nats.
    """
    sums: list[float] = []
    tokens: list[int] = []
    # Several packs may be flattened into one row, so each is a batch of its own.
    most = 1 if "seq_lengths" in rows.column_names else 8
    for some in fitting(rows, most, vocab_size):
        batch = on_device(collate(some), device)
        losses = losses_of(batch).double()
        counted = batch["labels"] != IGNORE_INDEX
        counted[:, 0] = False
        for row, loss, count in zip(some, losses, counted, strict=True):
            lengths = row.get("seq_lengths") or [len(row["input_ids"])]
            sums.extend(float(part.sum()) for part in _parts(loss, lengths))
            tokens.extend(int(part.sum()) for part in _parts(count, lengths))
    return sums, tokens


def _parts(row: Tensor, lengths: list[int]) -> list[Tensor]:
    """A row (T) split into its documents, without the padding after them."""
    return list(row[: sum(lengths)].split(lengths))
