"""What does one step of the run's own optimizer do to the weights?"""

from __future__ import annotations

import torch
from torch import Tensor

from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import FirstStep, ParameterUpdate


def first_step(harness: ProbeHarness) -> FirstStep:
    """Make one step on the first batches, with dropout off and gradients not clipped; everything is undone.

    Needs the memory of a training step, and no copy of the model beside it on its device.
    """
    weights = harness.trained()
    with harness.untouched() as before, harness.optimizer() as optimizer:
        loss = harness.gradients()
        squares = {name: _square(weight) for name, weight in weights.items()}
        optimizer.step()
        updates = {name: _update(weight, squares[name], before[name]) for name, weight in weights.items()}
        lr = float(optimizer.param_groups[0]["lr"])
    dtype = str(next(iter(weights.values())).dtype).removeprefix("torch.") if weights else ""
    return FirstStep(loss, lr, dtype, updates)


def _square(weight: Tensor) -> float | None:
    # Summed in 64 bits without a copy in 64 bits.
    return None if weight.grad is None else float(torch.linalg.vector_norm(weight.grad, dtype=torch.float64)) ** 2


def _update(weight: Tensor, square: float | None, before: Tensor) -> ParameterUpdate:
    """What has become of one tensor; ``before`` is in main memory and comes to its device alone."""
    if weight.grad is None:
        return ParameterUpdate(weight.numel(), square, 0, 0)
    nonzero = weight.grad != 0
    changed = nonzero & (weight.detach() != before.to(weight.device))
    return ParameterUpdate(weight.numel(), square, int(nonzero.sum()), int(changed.sum()))
