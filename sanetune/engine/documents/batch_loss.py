"""The loss of micro-batches by way of their documents, where the model allows it, and of padded rows where not."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sanetune.engine.adapters import base_of
from sanetune.engine.documents.agreement import disagreement, few_documents
from sanetune.engine.documents.attention import UnsupportedAttentionError
from sanetune.engine.documents.forward import (
    Document,
    Merged,
    attention_as,
    document_loss,
    documents_of,
    losses_of_rows,
)
from sanetune.engine.documents.frozen_layers import FrozenLayers
from sanetune.engine.documents.grouping import grouped
from sanetune.engine.documents.last_layer import LastLayer
from sanetune.engine.documents.sample import in_proportion, with_gaps
from sanetune.engine.documents.sharing import measured_gain
from sanetune.engine.documents.tree import FEWEST
from sanetune.engine.loss import kept_logits, row_losses, summed_loss
from sanetune.engine.products import Products

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

    from sanetune.engine.batches import Batch

Losses = tuple[Tensor, Tensor]
OfDocuments = Callable[["PreTrainedModel", Merged, "LastLayer | None"], Losses]
OfRows = Callable[[Tensor, Tensor], Losses]

SHARED = "shared beginnings"
COMPARED = 128
"""Tokens of the documents that are compared with separate rows; longer ones are truncated in proportion."""


class DocumentLoss:
    """Sums of token losses of micro-batches; shared beginnings are computed once.

    Before the first batch of each sort (separate documents, shared beginnings, documents longer than the model's
    window) it compares a few of its documents with separate rows. Where they differ, batches of this sort are computed
    as padded rows, and ``notes`` says why. Whether sharing pays is measured on the first batch that has something to
    share, and which library multiplies is measured before the first product.

    Example:
        >>> loss = DocumentLoss(model)  # doctest: +SKIP
        >>> with loss.step():  # doctest: +SKIP
        ...     for batch in micro_batches:
        ...         total, tokens = loss(batch)
        ...         (total / tokens_of_the_step).backward()

    Attributes:
        notes: What is not computed by documents, and why.
        tokens: Tokens of the documents so far, without those of padded batches, and without those at a document's end
            that predict nothing in the loss.
        computed: Tokens that were computed for them.
    """

    def __init__(self, model: PreTrainedModel, *, share: bool = True) -> None:
        """Use ``model``.

        Args:
            model: The model that is trained.
            share: Whether beginnings are shared at all.
        """
        self.model = model
        self.notes: list[str] = []
        self.tokens = 0
        self.computed = 0
        self._share = share
        self._obstacles: dict[str, str] = {}
        self._unsuitable = ""
        self._inside = False
        self._own: str = base_of(model).config._attn_implementation
        self._window = _window(model)
        self._last = LastLayer.of(model)
        self._frozen: FrozenLayers | None = None
        self._products = Products(model)
        self._sharing: str | None = None

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Surround the forward and backward passes of one step."""
        self._unsuitable = _unsuitable(self.model)
        note = f"documents are padded: {self._unsuitable}"
        if self._unsuitable and note not in self.notes:
            self.notes.append(note)
        with contextlib.ExitStack() as stack:
            if not self._unsuitable:
                stack.enter_context(attention_as(self.model))
                if self._last is not None:
                    stack.enter_context(self._last.attached())
            stack.enter_context(self._products.attached())
            self._inside = True
            try:
                yield
            finally:
                self._inside = False

    def group(self, batches: Sequence[Batch], pad_token_id: int) -> list[Batch]:
        """Return the micro-batches of a step with rows that begin alike together, where that leaves out tokens.

        See :func:`sanetune.engine.documents.grouping.grouped`.
        """
        apart = _unsuitable(self.model) or self._obstacles.get(SHARED) or self._fewest() is None
        return list(batches) if apart else grouped(batches, pad_token_id)

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the sum of the losses of the tokens in the loss of ``batch``, differentiable, and their number."""
        return self._computed(batch, document_loss, summed_loss)

    @torch.no_grad()
    def by_row(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the same of each row of ``batch`` alone, in float64 and without gradients."""
        rows = [document.row for document in documents_of(batch)]
        return self._computed(batch, partial(losses_of_rows, rows=rows, count=len(batch["labels"])), row_losses)

    def _computed(self, batch: Batch, of_documents: OfDocuments, of_rows: OfRows) -> tuple[Tensor, Tensor]:
        if not self._inside:
            raise RuntimeError("a DocumentLoss is used inside its step()")
        documents = [] if self._unsuitable else documents_of(batch)
        for fewest in (self._fewest(), None) if documents else ():
            merged = Merged.of(documents, fewest)
            if self._agrees(merged, documents, fewest):
                try:
                    found = self._of_documents(merged, of_documents)
                except UnsupportedAttentionError as error:
                    self._fall_back(self._sort(merged), f"its attention {error}")
                else:
                    self.tokens += sum(map(len, merged.ids))
                    self.computed += len(merged.tree.ids)
                    return found
        with attention_as(self.model, self._own):
            logits, labels, _ = kept_logits(self.model, batch)
        return of_rows(logits, labels)

    @contextlib.contextmanager
    def keeping_frozen(self, path: Path) -> Iterator[None]:
        """Surround a run whose rows come more than once: what frozen layers make of them is kept in ``path``.

        The file stays where the run is stopped, for the one that goes on, and is removed at its end.
        """
        self._frozen = FrozenLayers.of(self.model, path)
        ended = False
        try:
            yield
            ended = True
        finally:
            if self._frozen is not None:
                self._frozen.close(remove=ended)
                if self._frozen.note:
                    self.notes.append(self._frozen.note)
            self._frozen = None

    def report(self) -> list[str]:
        """Return ``notes``, what was measured, and how many tokens were left out so far."""
        notes = [*self.notes, *([self._products.note] if self._products.note else [])]
        if self.computed >= self.tokens:
            return notes
        left_out = f"{self.tokens - self.computed:,} of {self.tokens:,}"
        measured = f" ({self._sharing})" if self._sharing else ""
        return [*notes, f"Rows that begin alike: {left_out} tokens were not computed a second time{measured}."]

    def choices(self) -> dict[str, Any]:
        """Return as JSON what was measured and chosen, for a run that goes on from here."""
        shapes = self._products.shapes
        return {
            "sharing": self._sharing,
            "unshared": self._obstacles.get(SHARED) if self._sharing is not None else None,
            "onednn": None if shapes is None else sorted(map(list, shapes)),
        }

    def choose(self, choices: Mapping[str, Any]) -> None:
        """Take over the :meth:`choices` of a run that was stopped, whose sums are to be repeated to the last bit."""
        self._sharing = choices.get("sharing")
        if reason := choices.get("unshared"):
            self._fall_back(SHARED, reason)
        if (shapes := choices.get("onednn")) is not None:
            self._products.choose(shapes)

    def _fewest(self) -> int | None:
        """Return from how many tokens on beginnings are shared; None while dropout draws for each document."""
        return FEWEST if self._share and not self._drops() else None

    def _sort(self, merged: Merged) -> str:
        sort = SHARED if merged.tree.is_shared else "documents"
        return sort + (" beyond the window" if merged.tree.longest > self._window else "")

    def _agrees(self, merged: Merged, documents: list[Document], fewest: int | None) -> bool:
        """Return whether batches of this sort are computed by documents; the first one decides."""
        sort = self._sort(merged)
        if sort not in self._obstacles:
            reason = self._disagreement(*self._compared(merged, documents, fewest)) or self._unpaid(documents, fewest)
            self._obstacles[sort] = ""
            if reason:
                self._fall_back(sort, reason)
        return not self._obstacles[sort]

    def _compared(
        self, merged: Merged, documents: list[Document], fewest: int | None
    ) -> tuple[list[Document], int | None]:
        """Return the documents that are compared with separate rows, and from how many tokens on they share."""
        longer = self._window if merged.tree.longest > self._window else 0
        some = few_documents(documents, fewest, longer)
        if longer or sum(len(document.ids) for document in some) <= COMPARED:
            return with_gaps(some), fewest
        return with_gaps(in_proportion(some, fewest, COMPARED)), fewest and 1

    def _unpaid(self, documents: list[Document], fewest: int | None) -> str:
        """Return why beginnings are not shared, as measured on the first batch that has some; "" if they are."""
        if self._sharing is not None or fewest is None or not Merged.of(documents, fewest).tree.is_shared:
            return ""
        gain = measured_gain(self.model, documents, fewest, self._last_layer())
        self._sharing = str(gain)
        return "" if gain.pays else self._sharing

    def _disagreement(self, some: list[Document], fewest: int | None) -> str:
        """Return in what documents differ from separate rows, with the last layer on every token if that helps."""
        last = self._last_layer()
        with attention_as(self.model, self._own):
            reason = disagreement(self.model, some, fewest, last)
            if reason and last is not None and not (plain := disagreement(self.model, some, fewest)):
                self._last = None
                self.notes.append(f"the last layer is computed on every token: {reason}")
                return plain
        return reason

    def _of_documents(self, merged: Merged, loss: OfDocuments) -> tuple[Tensor, Tensor]:
        last = self._last_layer()
        if self._frozen is None or self._drops():
            return loss(self.model, merged, last)
        return self._frozen.loss(merged, lambda: loss(self.model, merged, last))

    def _last_layer(self) -> LastLayer | None:
        """Return the last layer; None while dropout draws for every token."""
        return None if self._drops() else self._last

    def _drops(self) -> bool:
        return any(isinstance(module, nn.Dropout) and module.training and module.p for module in self.model.modules())

    def _fall_back(self, sort: str, reason: str) -> None:
        self._obstacles[sort] = reason
        self.notes.append(f"{sort} are computed as separate rows: {reason}")


def _unsuitable(model: PreTrainedModel) -> str:
    """Return why no batch of ``model`` can be computed by documents; "" where nothing is known against it."""
    embedding = model.get_input_embeddings()
    if embedding.weight.device.type != "cpu":
        return "the model is not on a processor"
    if not base_of(model)._can_set_attn_implementation():
        return "the model has an attention of its own"
    if getattr(embedding, "neftune_noise_alpha", None):
        return "the noise of NEFTune depends on the length of a row"
    return ""


def _window(model: PreTrainedModel) -> int:
    """Return how many tokens back some layer of ``model`` attends at most."""
    config = base_of(model).config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    return min((window for window in windows if window), default=sys.maxsize)
