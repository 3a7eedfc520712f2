"""Measures the loss before training."""

from __future__ import annotations

from sanetune.engine.batches import loss_token_count
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import StartLoss


def start_loss(harness: ProbeHarness) -> StartLoss:
    """Measure the loss of the first batches before any step, with dropout off."""
    with harness.untouched():
        loss = harness.loss()
    return StartLoss(loss, sum(map(loss_token_count, harness.batches)), harness.vocab_size)
