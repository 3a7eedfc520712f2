"""Checks that a micro-batch accumulated twice gives the gradient that it gives once, whatever the loss is."""

from __future__ import annotations

from sanetune.engine.batches import loss_token_count
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import Accumulation


def repeated_batch(harness: ProbeHarness) -> Accumulation:
    """Compare the training loop's gradient over one micro-batch twice with that over it once.

    Any mean over the tokens of a step gives the same; a loss that is not divided by the micro-batches gives twice as
    much. A loss with noise of its own differs a little, so that the wider limit counts.
    """
    batch = max(harness.batches, key=loss_token_count)
    tokens = (loss_token_count(batch), loss_token_count(batch))
    with harness.untouched():
        harness.gradients([batch])
        once = {name: weight.grad.clone() for name, weight in harness.trained().items() if weight.grad is not None}
    if not once:
        return Accumulation(tokens, 0.0, None, sixteen_bits=True)
    square = difference = 0.0
    with harness.untouched():
        harness.gradients([batch, batch])
        for name, weight in harness.trained().items():
            if weight.grad is not None and name in once:
                square += float(once[name].double().square().sum())
                difference += float((weight.grad.double() - once[name].double()).square().sum())
    return Accumulation(tokens, (difference / square) ** 0.5 if square else 0.0, square**0.5, sixteen_bits=True)
