"""Compares a trainer's own evaluation of a few rows with the same evaluation without dropout."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import nn

from sanetune.probes.harness import ProbeHarness, without_dropout
from sanetune.probes.results import OwnEvaluation

BEGUN = 0.05
"""Standard deviation of what an adapter's weights of 0 are meanwhile."""


def own_evaluation(harness: ProbeHarness, evaluate: Callable[[], float], rows: int, *, decides: bool) -> OwnEvaluation:
    """Evaluate three times, in the middle of training as it were: as it is, and twice without dropout.

    Args:
        harness: The model.
        evaluate: Returns the loss of the rows, whatever the trainer does for it.
        rows: How many they are.
        decides: Whether the loss chooses which weights are kept.
    """

    def at(seed: int) -> float:
        with harness.untouched(training=True):
            torch.manual_seed(seed)
            return evaluate()

    with _begun(harness.model):
        as_it_is = at(1)
        with without_dropout(harness.model):
            return OwnEvaluation(rows, as_it_is, at(1), at(2), decides)


@contextlib.contextmanager
def _begun(model: nn.Module) -> Iterator[None]:
    """Give the weights of adapters that begin as 0 other values for a while: before them dropout changes nothing."""
    generator = torch.Generator().manual_seed(0)
    zeros = [one for name, one in model.named_parameters() if one.requires_grad and "lora_" in name and not one.any()]
    before = [one.detach().clone() for one in zeros]
    with torch.no_grad():
        for one in zeros:
            one.copy_(BEGUN * torch.randn(one.shape, generator=generator))
    try:
        yield
    finally:
        with torch.no_grad():
            for one, value in zip(zeros, before, strict=True):
                one.copy_(value)


def has_dropout(model: nn.Module) -> bool:
    """Whether any module of ``model`` drops something while it trains."""
    return any(
        isinstance(value, float) and value > 0 and ("drop" in name or isinstance(module, nn.modules.dropout._DropoutNd))
        for module in model.modules()
        for name, value in vars(module).items()
    )
