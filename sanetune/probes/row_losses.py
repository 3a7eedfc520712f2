"""The rows of one step, each with its own loss and gradient norm: which of them made a spike.

Shapes: B = 1 row of a batch, T its tokens.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.atomic import restore_non_finite
from sanetune.data.labels import IGNORE_INDEX
from sanetune.data.sources.row import kind_of
from sanetune.errors import Place
from sanetune.text import shorten, shortest_path

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.data.prepare import Prepared
    from sanetune.engine.batches import Batch

MOST = 64
"""Rows of a step that are measured; the others are named."""
LENGTH = 400
"""Characters of a row's text that are kept."""
ORDER = "the worst first: by loss or gradient norm, whichever is further above the rows' median"
"""How :func:`ranked` sorts rows, in words."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """A row (of packs: one document) that a step was trained on.

    Attributes:
        number: Its number in the training split; of packs, that of the pack.
        place: File, line and row that it comes from; None: not known.
        text: What was trained, decoded, with special tokens.
        tokens: Its tokens.
        loss_tokens: Those of them in the loss.
        loss: Mean over its tokens in the loss, in nats; None: not measured.
        grad_norm: Norm of the gradient of that loss over all trained weights; None: not measured.
    """

    number: int
    place: Place | None
    text: str
    tokens: int
    loss_tokens: int
    loss: float | None = None
    grad_norm: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        place = self.place or Place()
        file = None if place.file is None else str(place.file)
        return {
            "number": self.number,
            "file": file,
            "line": place.line,
            "row": place.row,
            "text": self.text,
            "tokens": self.tokens,
            "loss_tokens": self.loss_tokens,
            "loss": self.loss,
            "grad_norm": self.grad_norm,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> StepRow:
        """Read what :meth:`to_json` returns, after a file."""
        place = Place(plain.get("file"), plain.get("line"), plain.get("row"))
        figures = [restore_non_finite(plain.get(name)) for name in ("loss", "grad_norm")]
        return cls(plain["number"], place, plain["text"], plain["tokens"], plain["loss_tokens"], *figures)


@dataclass(frozen=True, slots=True)
class _Document:
    row: StepRow
    ids: list[int]
    labels: list[int]


def rows_of_step(prepared: Prepared, numbers: Sequence[int]) -> list[StepRow]:
    """Return the rows ``numbers`` of the training split, not measured, in their order; of packs, their documents."""
    return [document.row for document in _documents(prepared, numbers)]


def measured_rows(model: PreTrainedModel, prepared: Prepared, numbers: Sequence[int]) -> list[StepRow]:
    """Return the rows ``numbers`` of the training split, each measured alone with ``model``, the worst first.

    Dropout is off. Weights, gradients, modes and random states are afterwards what they were.

    Args:
        model: Whole in this process, on its device.
        prepared: The rows of the run.
        numbers: Of the training split; the first :data:`MOST` documents are measured.
    """
    from sanetune.engine.batches import collate_for
    from sanetune.engine.models import attention_of
    from sanetune.rng import kept_modes, kept_random_states

    collate = collate_for(int(prepared.tokenizer.pad_token_id), attention_of(model))
    documents = list(_documents(prepared, numbers))
    rows = [document.row for document in documents]
    with kept_modes(model), kept_random_states():
        model.eval()
        for place, document in enumerate(documents[:MOST]):
            batch = collate([{"input_ids": document.ids, "labels": document.labels}])
            loss, norm = row_loss_and_norm(model, batch)
            rows[place] = replace(document.row, loss=loss, grad_norm=norm)
    return ranked(rows)


def ranked(rows: Sequence[StepRow]) -> list[StepRow]:
    """Return ``rows``, the worst first: figures that are no numbers, then the highest loss or gradient norm, each in
    multiples of the rows' median (:data:`ORDER` says so).

    >>> rows = [StepRow(n, None, "", 9, 5, *figures) for n, figures in enumerate([(2.0, 1.0), (2.1, 9.0), (2.2, 1.1)])]
    >>> [row.number for row in ranked(rows)]
    [1, 2, 0]
    """
    middles = [_middle([row.loss for row in rows]), _middle([row.grad_norm for row in rows])]

    def height(row: StepRow) -> float:
        figures = zip((row.loss, row.grad_norm), middles, strict=True)
        times = [0.0 if value is None else value / middle for value, middle in figures]
        return max(time if math.isfinite(time) else math.inf for time in times)

    return sorted(rows, key=lambda row: -height(row))


def place_of(row: Mapping[str, Any]) -> str:
    """Return where a row of a step comes from, as short as it can be said: ``row`` is a :class:`StepRow` as JSON.

    Where a line holds several rows, as in a JSON array without line breaks, it comes with the number of the row.

    >>> place_of({"file": "rows.jsonl", "line": 3, "row": 2, "number": 1}), place_of({"number": 1})
    ('rows.jsonl:3', 'training row 1')
    >>> place_of({"file": "rows.json", "line": 1, "row": 7, "number": 1})
    'rows.json:1, row 7'
    """
    if not row.get("file"):
        return f"training row {row['number']}"
    path, line, number = Path(row["file"]), row.get("line"), row.get("row")
    place = shortest_path(path) if line is None else f"{shortest_path(path)}:{line}"
    # In lines, row 0 is line 1; the first row of an array with line breaks is below its bracket.
    first = 2 if kind_of(path) == "json" else 1
    return f"{place}, row {number}" if number is not None and (line is None or line < number + first) else place


def _middle(values: Sequence[float | None]) -> float:
    sound = [value for value in values if value is not None and math.isfinite(value)]
    return max(statistics.median(sound), 1e-12) if sound else 1.0


def row_loss_and_norm(model: PreTrainedModel, batch: Batch, scale: float = 1.0) -> tuple[float, float | None]:
    """Return loss and gradient norm of a batch of one row (1, T); the gradients of the weights are left alone.

    Args:
        model: In the mode in which it is measured.
        batch: Its row.
        scale: Of the loss, against gradients too small for 16 bits; the norm is divided by it.
    """
    import torch

    from sanetune.engine.batches import on_device
    from sanetune.engine.loss import batch_loss

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.enable_grad():
        loss = batch_loss(model, [on_device(batch, next(model.parameters()).device)])
        if not loss.requires_grad:
            return float(loss), None
        parts = torch.autograd.grad(loss * scale, weights, allow_unused=True)
    norms = [part.detach().float().norm() for part in parts if part is not None]
    return float(loss.detach()), float(torch.stack(norms).norm()) / scale


def _documents(prepared: Prepared, numbers: Sequence[int]) -> Iterator[_Document]:
    places = _Places(prepared)
    for number in numbers:
        row = prepared.train[number]
        lengths, start = row.get("seq_lengths") or [len(row["input_ids"])], 0
        sources = row["rows"] if "rows" in row else [row.get("row")]
        for length, source in zip(lengths, sources, strict=True):
            ids, labels = (list(row[name][start : start + length]) for name in ("input_ids", "labels"))
            start += length
            text = shorten(prepared.tokenizer.decode(ids), LENGTH)
            in_loss = sum(label != IGNORE_INDEX for label in labels[1:])
            yield _Document(StepRow(number, places.of(source, ids), text, length, in_loss), ids, labels)


class _Places:
    """Finds where a document comes from: by the number of its row in its file, and by its tokens where files have the
    same numbers."""

    def __init__(self, prepared: Prepared) -> None:
        self._origin = getattr(prepared, "origins", {}).get("train")
        self._examples: dict[int, list[int]] = {}

    def of(self, source: int | None, ids: Sequence[int]) -> Place | None:
        if self._origin is None or source is None:
            return None
        if not self._examples:
            numbers = self._origin.table.column("conversation").to_numpy()[self._origin.rows]
            rows = self._origin.conversations.column("row").to_numpy()[numbers]
            for index, row in enumerate(rows.tolist()):
                self._examples.setdefault(row, []).append(index)
        same = self._examples.get(source, [])
        alike = (index for index in same if self._origin.example(index)["input_ids"][: len(ids)] == list(ids))
        found = same[0] if len(same) == 1 else next(alike, None)
        return None if found is None else self._origin.conversation(found).place
