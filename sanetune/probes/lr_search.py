"""The critical learning rate: the largest step along the optimizer's update that still lowers the loss.

A line search finds it in a few forward passes and shows a learning rate that is too high before training (Kalra et al.,
arXiv:2601.16979). The direction is taken after a short warm-up at a small learning rate, because the first step of Adam
is the sign of the gradient, unlike later ones.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import CriticalLearningRate

SEEN = 2
"""Micro-batches that the line search uses."""
WARMUP = 10
"""Steps before the direction is taken."""
GENTLE = 30.0
"""The learning rate of the warm-up is the critical one before it, divided by this."""
DOUBLINGS, HALVINGS = 24, 2
"""Doublings of the learning rate at most, and halvings of the interval in which the loss crosses its start."""


def find_critical_lr(harness: ProbeHarness, planned: float) -> CriticalLearningRate:
    """Find the critical learning rate on the harness's batches after a warm-up, and undo all steps.

    Args:
        harness: The model and its batches.
        planned: The learning rate that the search begins with.
    """
    with harness.untouched(), harness.optimizer() as optimizer:
        first = _along(harness, optimizer, planned)
        if first.lr is None:
            return first
        for step in range(WARMUP):
            set_lr(optimizer, first.lr / GENTLE)
            harness.gradients([harness.batches[step % len(harness.batches)]])
            harness.clip()
            optimizer.step()
            optimizer.zero_grad()
        return _along(harness, optimizer, planned)


def _along(harness: ProbeHarness, optimizer: torch.optim.Optimizer, planned: float) -> CriticalLearningRate:
    """The line search from the current weights along one step of the optimizer."""
    harness.gradients(harness.batches[:SEEN])
    harness.clip()
    weights = harness.trained()
    device = _device_with_room(harness.device, weights)
    before = {name: weight.detach().to(device, copy=True) for name, weight in weights.items()}
    lr = max(planned, _visible_lr(weights))
    set_lr(optimizer, lr)
    optimizer.step()
    optimizer.zero_grad()
    direction = {name: (weight.detach().to(device) - before[name]) / lr for name, weight in weights.items()}

    def loss_at(lr: float) -> float:
        _place(weights, before, direction, lr)
        return float(harness.loss(harness.batches[:SEEN]))

    try:
        return search(loss_at, planned, _spacing(weights) / 4)
    finally:
        _place(weights, before, direction, 0.0)


def search(loss_at: Callable[[float], float], planned: float, noise: float = 0.0) -> CriticalLearningRate:
    """Find the learning rate at which the loss rises above the loss without a step.

    Doubles or halves ``planned`` until the loss crosses that value, bisects the interval a few times and interpolates.

    Args:
        loss_at: Returns the loss after a step at a learning rate.
        planned: The learning rate to begin with.
        noise: Fraction of the loss by which rounding may raise it.

    Example:
        >>> round(search(lambda lr: (lr - 1.0) ** 2, planned=0.1).lr, 1)
        2.0
    """
    start = loss_at(0.0)
    tried: list[tuple[float, float]] = []

    def lowers(lr: float) -> bool:
        tried.append((lr, loss_at(lr)))
        return tried[-1][1] < start + noise * abs(start)

    lr, factor = planned, 2.0
    falling = lowers(lr)
    if not falling:
        factor = 0.5
    crossing: list[tuple[float, float]] = []
    for _ in range(DOUBLINGS):
        lr *= factor
        if lowers(lr) != falling:
            crossing = sorted(tried[-2:])
            break
    for _ in range(HALVINGS if crossing else 0):
        still = lowers((crossing[0][0] * crossing[1][0]) ** 0.5)
        crossing[0 if still else 1] = tried[-1]
    good = [one for one in tried if one[1] < start]
    best = min(good, key=lambda one: one[1])[0] if good else None
    if not crossing:
        return CriticalLearningRate(None, best, start, tried)
    (low, below), (high, above) = crossing
    share = (start - below) / (above - below) if above > below else 0.5
    return CriticalLearningRate(low * (high / low) ** min(1.0, max(0.0, share)), best, start, tried)


def _spacing(weights: dict[str, Tensor]) -> float:
    """The machine epsilon of 16-bit weights; 0 where weights have more bits."""
    formats = {weight.dtype for weight in weights.values()}
    return max((torch.finfo(one).eps for one in formats if torch.finfo(one).bits <= 16), default=0.0)


def _visible_lr(weights: dict[str, Tensor]) -> float:
    """A learning rate whose step is large against the rounding of 16-bit weights; 0 for 32-bit weights."""
    if not _spacing(weights):
        return 0.0
    squares = sum(float(weight.detach().float().square().sum()) for weight in weights.values())
    return float((squares / sum(weight.numel() for weight in weights.values())) ** 0.5 / 8)


def _place(weights: dict[str, Tensor], before: dict[str, Tensor], direction: dict[str, Tensor], lr: float) -> None:
    """Set the weights to ``before`` plus ``lr`` times ``direction``."""
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(before[name] + lr * direction[name])


def _device_with_room(device: torch.device, weights: dict[str, Tensor]) -> torch.device:
    """The device if it has memory for two more copies of ``weights``, else the CPU."""
    if device.type != "cuda":
        return device
    size = sum(weight.numel() * weight.element_size() for weight in weights.values())
    free = int(torch.cuda.mem_get_info(device)[0])
    return device if 3 * size < free else torch.device("cpu")


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate ``lr`` of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr
