"""Measures what one step of the run's optimizer does to the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import FirstStep, ParameterUpdate


def first_step(harness: ProbeHarness) -> FirstStep:
    """Make one step on the first batches, without dropout and clipping, and undo it.

    Needs the memory of a training step, and no second copy of the model on its device.
    """
    weights = harness.trained()
    with harness.untouched() as before, harness.optimizer() as optimizer:
        loss = harness.gradients()
        squares = {name: _square(weight) for name, weight in weights.items()}
        optimizer.step()
        updates = {name: _update(weight, squares[name], before[name]) for name, weight in weights.items()}
        lr = float(optimizer.param_groups[0]["lr"])
        moved = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        outside = sum(weight.numel() for weight in weights.values() if id(weight) not in moved)
    dtype = str(next(iter(weights.values())).dtype).removeprefix("torch.") if weights else ""
    return FirstStep(loss, lr, dtype, updates, outside=outside)


def _square(weight: Tensor) -> float | None:
    # Summed in float64 without a float64 copy of the gradient.
    return None if weight.grad is None else float(torch.linalg.vector_norm(weight.grad, dtype=torch.float64)) ** 2


def _update(weight: Tensor, square: float | None, before: Tensor) -> ParameterUpdate:
    """The update of one tensor; ``before`` is in main memory, and is moved to the device one tensor at a time."""
    if weight.grad is None:
        return ParameterUpdate(weight.numel(), square, 0, 0)
    nonzero = weight.grad != 0
    changed = nonzero & (weight.detach() != before.to(weight.device))
    return ParameterUpdate(weight.numel(), square, int(nonzero.sum()), int(changed.sum()))
