"""How far can one go along the optimizer's own direction before the loss rises: the critical learning rate.

Kalra et al. (arXiv:2601.16979): the largest step along the update that still lowers the loss is found in a few forward
passes, and tells a learning rate that is too high before anything is spent. Here the direction is taken after a short
warm-up at a small learning rate, since the first Adam step is the sign of the gradient and no later one is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import CriticalLearningRate

SEEN = 2
"""Micro-batches that the loss is searched on."""
WARMUP = 10
"""Steps before the direction is taken."""
GENTLE = 30.0
"""The warm-up's learning rate is the first critical one, divided by this."""
DOUBLINGS, HALVINGS = 24, 2
"""Most doublings until the loss crosses, and halvings of the gap that it crosses in."""


def find_critical_lr(harness: ProbeHarness, planned: float) -> CriticalLearningRate:
    """Find the critical learning rate on the harness's batches, after a warm-up; everything is undone.

    ``planned`` is the learning rate that the search begins with.
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
    """The line search from the present weights, along one step of the optimizer."""
    harness.gradients(harness.batches[:SEEN])
    harness.clip()
    weights = harness.trained()
    where = _roomy(harness.device, weights)
    before = {name: weight.detach().to(where, copy=True) for name, weight in weights.items()}
    lr = max(planned, _visible_lr(weights))
    set_lr(optimizer, lr)
    optimizer.step()
    optimizer.zero_grad()
    direction = {name: (weight.detach().to(where) - before[name]) / lr for name, weight in weights.items()}

    def loss_at(lr: float) -> float:
        _place(weights, before, direction, lr)
        return float(harness.loss(harness.batches[:SEEN]))

    try:
        return search(loss_at, planned, _spacing(weights) / 4)
    finally:
        _place(weights, before, direction, 0.0)


def search(loss_at: Callable[[float], float], planned: float, noise: float = 0.0) -> CriticalLearningRate:
    """Find the learning rate at which the loss crosses the loss at 0.

    Doubles or halves from ``planned`` to where it crosses, halves the gap a few times, and interpolates.

    Args:
        loss_at: The loss after a step at a learning rate.
        planned: The learning rate to begin with.
        noise: Share of the loss that rounding moves it by, which is no rise.

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
    """The relative spacing of numbers where weights have 16 bits; 0 where they have more."""
    formats = {weight.dtype for weight in weights.values()}
    return max((torch.finfo(one).eps for one in formats if torch.finfo(one).bits <= 16), default=0.0)


def _visible_lr(weights: dict[str, Tensor]) -> float:
    """A learning rate whose step is many spacings of 16-bit weights, since of a smaller one mostly rounding is left; 0
    for 32 bits."""
    if not _spacing(weights):
        return 0.0
    squares = sum(float(weight.detach().float().square().sum()) for weight in weights.values())
    return float((squares / sum(weight.numel() for weight in weights.values())) ** 0.5 / 8)


def _place(weights: dict[str, Tensor], before: dict[str, Tensor], direction: dict[str, Tensor], lr: float) -> None:
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(before[name] + lr * direction[name])


def _roomy(device: torch.device, weights: dict[str, Tensor]) -> torch.device:
    """Where two more copies of ``weights`` have room: on the device, or else in main memory."""
    if device.type != "cuda":
        return device
    size = sum(weight.numel() * weight.element_size() for weight in weights.values())
    free = int(torch.cuda.mem_get_info(device)[0])
    return device if 3 * size < free else torch.device("cpu")


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all groups of weights."""
    for group in optimizer.param_groups:
        group["lr"] = lr
