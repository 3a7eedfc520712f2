"""Proves that several processes train as one: a step of all of them is the step of one on the same rows.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import torch

from sanetune.curves.series import Point
from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.base import RunSession, ShortRun, StepBatches, StepWatcher
from sanetune.engine.batches import Batch, on_device, tensors_of
from sanetune.probes.harness import ProbeHarness, without_dropout
from sanetune.probes.results.ranks import RankComparison, RowDistribution, SavedWeights
from sanetune.probes.weight_sketch import Sketch, difference, largest_difference, sketch_of

FILES = ("adapter_model.safetensors", "model*.safetensors")
"""Weights of a checkpoint."""


class Line(Protocol):
    """What the processes tell each other."""

    @property
    def rank(self) -> int:
        """Number of this process."""

    def broadcast(self, value: object = None) -> object:
        """Return, on all, what the main process has given."""

    def collect(self, answer: _Part) -> list[_Part]:
        """Return the answers of all on the main process."""


@dataclass(slots=True)
class _Part:
    """What one process has of the step."""

    batches: list[Batch] = field(default_factory=list)
    before: Sketch = field(default_factory=dict)
    after: Sketch = field(default_factory=dict)
    epoch: list[list[int]] | None = None


class _OneStep(StepWatcher):
    """Follows the step of this process, and writes a checkpoint after it."""

    def __init__(self, session: RunSession, folder: Path) -> None:
        self.session, self.folder = session, folder
        self.part = _Part()
        self.made: Point | None = None
        self.wrote = False

    def begin(self) -> None:
        self.part.before = sketch_of(self.session.full_weights())

    def batches(self, batches: StepBatches) -> None:
        if self.made is None and not self.part.batches:
            self.part.batches = [on_device(tensors_of(batch), torch.device("cpu")) for batch in batches.batches]

    def step(self, step: int) -> bool:
        self.part.after = sketch_of(self.session.full_weights())
        self.wrote = self.session.write_weights(self.folder)
        return True

    def point(self, point: Point) -> None:
        self.made = self.made or point


def rank_comparison(
    harness: ProbeHarness, session: RunSession, total_steps: int, line: Line, how: str
) -> RankComparison | None:
    """Make one step with all processes, and the same step with one.

    Args:
        harness: A whole model in this process, which is not changed.
        session: The run's, as it trains with all processes; it cannot be used any more afterwards.
        total_steps: Of the run.
        line: To the other processes, all of which call this.
        how: The way in which they train together: DDP, FSDP or DeepSpeed.

    Returns:
        What was compared, the same on all processes; None where the loop does not show its batches.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(str(line.broadcast(scratch)))
        watched = _OneStep(session, folder)
        watched.part.epoch = session.epoch_rows()
        with without_dropout(session.model):
            session.train_briefly(ShortRun(1, max(2, total_steps), 0), watched)
        parts = line.collect(watched.part)
        # All compute what one process computes: a loop may have all of them gather figures of each pass.
        batches = cast(list[Batch], line.broadcast([batch for part in parts for batch in part.batches]))
        one = _of_one(harness, batches) if batches else (math.nan, None)
        comparison = _compared(harness, session, watched, parts, one, how) if line.rank == 0 else None
        return cast(RankComparison | None, line.broadcast(comparison))


def _compared(
    harness: ProbeHarness,
    session: RunSession,
    watched: _OneStep,
    parts: Sequence[_Part],
    one: tuple[float, float | None],
    how: str,
) -> RankComparison | None:
    """``one``: loss and gradient norm of one process."""
    batches = [batch for part in parts for batch in part.batches]
    if watched.made is None or not batches:
        return None
    own = sketch_of(harness.trained().items())
    return RankComparison(
        processes=len(parts),
        how=how,
        examples=sum(len(_digests(batch)) for batch in batches),
        loss=watched.made.loss,
        one_loss=one[0],
        norm=watched.made.grad_norm,
        one_norm=one[1],
        copied=_copied(parts),
        started=tuple(largest_difference(part.before, own)[0] for part in parts),
        ended=tuple(largest_difference(part.after, parts[0].after)[0] for part in parts),
        distribution=_distribution(parts, session),
        saved=_saved(harness, watched, parts) if watched.wrote else None,
        sixteen_bits=session.precision.sixteen_bits,
    )


def _of_one(harness: ProbeHarness, batches: Sequence[Batch]) -> tuple[float, float | None]:
    """Loss and norm of the gradients of one process over all micro-batches of the step."""
    with harness.untouched():
        loss = harness.gradients([on_device(batch, harness.device) for batch in batches])
        grads = [weight.grad for weight in harness.trained().values() if weight.grad is not None]
        squares = sum(float(grad.double().square().sum()) for grad in grads)
    return loss, squares**0.5 if grads else None


def _copied(parts: Sequence[_Part]) -> tuple[float, ...]:
    """For each process, the part of its rows that an earlier one has too."""
    seen: set[bytes] = set()
    found = []
    for part in parts:
        rows = [row for batch in part.batches for row in _digests(batch)]
        found.append(sum(row in seen for row in rows) / max(1, len(rows)))
        seen |= set(rows)
    return tuple(found)


def _digests(batch: Batch) -> list[bytes]:
    """One for each row (T) that has a label, without the zeros or other numbers that fill it up."""
    labels, ids = batch["labels"], batch["input_ids"]
    mask = batch.get("attention_mask")
    real = torch.ones_like(ids, dtype=torch.bool) if mask is None or mask.shape != ids.shape else mask.bool()
    parts = torch.stack([ids, labels], -1)
    rows = [row[keep] for row, keep in zip(parts, real, strict=True) if bool((row[:, 1] != IGNORE_INDEX).any())]
    return [hashlib.blake2b(row.cpu().numpy().tobytes()).digest() for row in rows]


def _distribution(parts: Sequence[_Part], session: RunSession) -> RowDistribution | None:
    epochs = [part.epoch for part in parts]
    if any(epoch is None for epoch in epochs):
        return None
    given = Counter(number for epoch in epochs for batch in epoch or [] for number in batch)
    total = max(given, default=-1) + 1
    repeated = sum(count - 1 for count in given.values())
    spare = session.settings.per_device_train_batch_size * len(parts)
    return RowDistribution(total, total - len(given), repeated, spare)


def _saved(harness: ProbeHarness, watched: _OneStep, parts: Sequence[_Part]) -> SavedWeights | None:
    """The checkpoint that was written, beside the weights that each process has."""
    from safetensors.torch import safe_open

    files = sorted({path for pattern in FILES for path in watched.folder.glob(pattern)})
    if not files:
        return None
    stored: Sketch = {}
    sixteen = False
    for file in files:
        with safe_open(str(file), "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 -- no mapping
                tensor = tensors.get_tensor(name)
                sixteen |= tensor.dtype in (torch.bfloat16, torch.float16)
                stored |= sketch_of([(name, tensor)])
    trained = harness.trained()
    names = {name: _stored_name(name) for name in trained}
    there = [name for name in trained if names[name] in stored]
    apart = [
        (difference(stored[names[name]], part.after[name]), name)
        for part in parts
        for name in there
        if name in part.after
    ]
    worst, where = max(apart, default=(0.0, ""))
    return SavedWeights(
        size=sum(file.stat().st_size for file in files),
        trained_size=sum(weight.numel() * weight.element_size() for weight in trained.values()),
        adapter=files[0].name.startswith("adapter"),
        weights=len(there),
        missing=tuple(name for name in trained if name not in there),
        differs=worst,
        differing=where,
        sixteen_bits=sixteen,
    )


def _stored_name(name: str) -> str:
    """The name under which peft and transformers store a weight.

    >>> _stored_name("base_model.model.q_proj.lora_A.default.weight")
    'base_model.model.q_proj.lora_A.weight'
    """
    return name.replace(".modules_to_save.default", "").replace(".default", "")
