"""Ranks a model's layers: by the gradient of the user's data, and by the signal-to-noise of their weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch

from sanetune.data.labels import IGNORE_INDEX
from sanetune.engine.adapters import base_of, token_modules
from sanetune.engine.batches import loss_token_count
from sanetune.engine.models import new_tokens
from sanetune.errors import ModelError
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.results.layers import BlockGradient, LayerRanking, MatrixSignal
from sanetune.probes.spectrum import signal_of

if TYPE_CHECKING:
    from sanetune.engine.batches import Batch
    from sanetune.probes.harness import ProbeHarness

LEAST = 16
"""Rows and columns of a matrix below which a law of large matrices says nothing."""


def rank_layers(harness: ProbeHarness, publish: Publish = silent) -> LayerRanking:
    """Measure the layers of the model of ``harness``, which must train all weights; nothing of it changes.

    Args:
        harness: The model with its first batches, each half of which gives a gradient: of several, or of the rows of
            one. A single row, or pack, gives one gradient alone.
        publish: Called with each matrix that is measured.

    Raises:
        ModelError: The model has no layers that are numbered in its names.
    """
    weights = harness.trained()
    prefix, blocks = numbered(weights)
    batches = harness.batches
    with harness.untouched():
        norms = [_gradient_norms(harness, half, blocks) for half in _halves(batches)]
    gradients = tuple(
        BlockGradient(
            block,
            sum(weights[name].numel() for name in names),
            _norm(weights[name] for name in names),
            tuple(half[block] for half in norms),
        )
        for block, names in sorted(blocks.items())
    )
    counted = sum(loss_token_count(batch) for batch in batches)
    parameters = sum(weight.numel() for weight in harness.model.parameters())
    signals = tuple(_signals(weights, prefix, blocks, publish))
    return LayerRanking(prefix, gradients, signals, parameters, counted, *_unseen(harness))


def _unseen(harness: ProbeHarness) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens of the batches that the base has never seen, and the modules that have their rows; none without them."""
    tokenizer = harness.prepared.tokenizer
    seen = {int(token) for batch in harness.batches for token in batch["input_ids"].unique()}
    unseen = sorted(seen & set(new_tokens(harness.config.model, tokenizer)))
    if not unseen:
        return (), ()
    return tuple(tokenizer.convert_ids_to_tokens(unseen)), tuple(token_modules(base_of(harness.model)))


def numbered(names: Iterable[str]) -> tuple[str, dict[int, list[str]]]:
    """Return what is before the numbers of layers, and the names of each layer's weights.

    >>> numbered(["embed.weight", "model.layers.0.mlp.up.weight", "model.layers.0.norm.weight"])
    ('layers', {0: ['model.layers.0.mlp.up.weight', 'model.layers.0.norm.weight']})
    """
    found: dict[str, dict[int, list[str]]] = {}
    for name in names:
        parts = name.split(".")
        at = next((at for at, part in enumerate(parts) if part.isdigit() and at), None)
        if at is not None:
            found.setdefault(parts[at - 1], {}).setdefault(int(parts[at]), []).append(name)
    if not found:
        raise ModelError(
            "No weight of the model has the number of a layer in its name.",
            "Layers are told apart by it.",
            "Name the weights to train in model.train_only yourself.",
        )
    prefix = max(found, key=lambda one: sum(map(len, found[one].values())))
    return prefix, found[prefix]


def _halves(batches: Sequence[Batch]) -> list[Sequence[Batch]]:
    """Both halves of the batches, or of the rows in the loss of a single one; a single such row is no half."""
    middle = (len(batches) + 1) // 2
    if len(batches) > 1:
        return [batches[:middle], batches[middle:]]
    (batch,) = batches
    rows = (batch["labels"][:, 1:] != IGNORE_INDEX).any(dim=1).nonzero()[:, 0]
    if len(rows) < 2:
        return [batches]
    return [[{name: value[half] for name, value in batch.items()}] for half in rows.tensor_split(2)]


def _gradient_norms(harness: ProbeHarness, batches: Sequence[Batch], blocks: dict[int, list[str]]) -> dict[int, float]:
    """The norm of each layer's gradient on ``batches``."""
    harness.model.zero_grad(set_to_none=True)
    harness.gradients(batches, label_smoothing=False)
    weights = harness.trained()
    return {
        block: _norm(grad for name in names if (grad := weights[name].grad) is not None)
        for block, names in blocks.items()
    }


def _norm(tensors: Iterable[torch.Tensor]) -> float:
    return math.sqrt(sum(float(one.detach().float().norm()) ** 2 for one in tensors))


def _signals(
    weights: dict[str, torch.Tensor], prefix: str, blocks: dict[int, list[str]], publish: Publish
) -> Iterable[MatrixSignal]:
    names = [(block, name) for block, some in sorted(blocks.items()) for name in some]
    names = [(block, name) for block, name in names if weights[name].dim() == 2 and min(weights[name].shape) >= LEAST]
    for number, (block, name) in enumerate(names, start=1):
        kind = name.split(f"{prefix}.{block}.", 1)[1].removesuffix(".weight")
        found = signal_of(weights[name])
        publish(ProbeStep("layers", number, len(names)))
        yield MatrixSignal(kind, block, weights[name].numel(), found.snr, found.above, found.noise)
