"""Checks that the gradient of several micro-batches is the gradient of the mean loss over all their tokens."""

from __future__ import annotations

from sanetune.engine.batches import loss_token_count
from sanetune.probes.cut_batches import cut
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import Accumulation

UNEVEN = 2
"""Times as many tokens in the loss as the other that one micro-batch is to have."""


def accumulation(harness: ProbeHarness) -> Accumulation | None:
    """Compare the training loop's gradient over two micro-batches with that of the mean loss over their tokens.

    The two micro-batches have the fewest and the most tokens in the loss, since the gradients can only differ where
    these numbers do.

    Returns:
        The difference; None where there are no two micro-batches with tokens in the loss.
    """
    ordered = sorted(harness.batches, key=loss_token_count)
    if len(ordered) < 2 or not loss_token_count(ordered[0]):
        return None
    pair = [ordered[0], ordered[-1]]
    if harness.most_tokens is not None and loss_token_count(pair[1]) < UNEVEN * loss_token_count(pair[0]):
        # Batches made as small as each other may have as many tokens in the loss.
        pair[0] = cut(pair[0], pair[0]["input_ids"].numel() // UNEVEN)
    tokens = (loss_token_count(pair[0]), loss_token_count(pair[1]))
    sixteen_bits = harness.session.precision.sixteen_bits
    with harness.untouched():
        harness.gradients(pair)
        taken = {
            name: weight.grad.detach().clone() for name, weight in harness.trained().items() if weight.grad is not None
        }
    if not taken:
        return Accumulation(tokens, 0.0, None, sixteen_bits)
    with harness.untouched():
        for batch in pair:
            (harness.token_losses(batch).sum() / sum(tokens)).backward()
        square = difference = 0.0
        for name, weight in harness.trained().items():
            if weight.grad is not None and name in taken:
                square += float(weight.grad.double().square().sum())
                difference += float((weight.grad.double() - taken[name].double()).square().sum())
    return Accumulation(tokens, (difference / square) ** 0.5 if square else 0.0, square**0.5, sixteen_bits)
