"""Does the loop's own loss pull where its tokens become likelier?"""

from __future__ import annotations

from sanetune.probes.harness import ProbeHarness


def loss_direction(harness: ProbeHarness) -> float | None:
    """Return the cosine between the loop's gradient and that of the mean loss of the tokens in the loss.

    It is 1 where the loop minimises that mean, and -1 where its sign is turned. Weights, focal losses and teachers
    leave it well above 0. None: one of the two is zero.
    """
    batches = harness.batches[:2]
    with harness.untouched():
        harness.gradients(batches)
        own = {name: weight.grad.clone() for name, weight in harness.trained().items() if weight.grad is not None}
    product = own_square = square = 0.0
    with harness.untouched():
        for batch in batches:
            harness.token_losses(batch).sum().backward()
        for name, weight in harness.trained().items():
            if weight.grad is None or name not in own:
                continue
            product += float((weight.grad.double() * own[name].double()).sum())
            own_square += float(own[name].double().square().sum())
            square += float(weight.grad.double().square().sum())
    return product / (own_square * square) ** 0.5 if own_square * square > 0 else None
