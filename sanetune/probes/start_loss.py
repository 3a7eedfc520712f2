"""Measures the loss before training."""

from __future__ import annotations

from sanetune.engine.adapters import without_virtual_tokens
from sanetune.engine.batches import loss_token_count
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import StartLoss


def start_loss(harness: ProbeHarness) -> StartLoss:
    """Measure the loss of the first batches before any step, with dropout off.

    Virtual tokens of prompt tuning are left out: they are drawn at random, and say nothing of the model.
    """
    with harness.untouched(), without_virtual_tokens(harness.model):
        loss = harness.loss()
    return StartLoss(loss, sum(map(loss_token_count, harness.batches)), harness.vocab_size)
