"""Short branches from the same start on the same batches, each at its own rate: which does better on held-out rows?

A rate that is too high under gradient clipping often neither diverges nor swings, it only learns less; the curve alone
does not tell. Here only the rate differs, so what differs on the held-out rows is its doing.
"""

from __future__ import annotations

import math

from sanetune.curves.paired import paired_difference
from sanetune.engine.batches import Batch
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.heldout import HeldOutRows, look
from sanetune.probes.lr_search import set_rate
from sanetune.probes.results import LearningRateComparison, LearningRateRun

STEPS = 40
"""Optimizer steps of one branch."""
WARMUP = 5
FACTOR = 3.0
FIRST, FURTHER = 3, 4
"""Runs that are always made, and at most beyond them while each is better than the one before."""
SAFE, FAR = 0.25, 5.0
"""A quarter of the critical rate is tried too where it is so many times more or less than the planned one."""
NEAR = 1.5
"""A branch of another round stands for a neighbour that is this near; for the planned rate only its own does."""
SURE = 3.0
"""Standard errors from which a gain is one."""


def branches(
    harness: ProbeHarness,
    planned: float,
    held: HeldOutRows,
    critical: float | None = None,
    *,
    steps: int = STEPS,
    earlier: LearningRateComparison | None = None,
    publish: Publish = silent,
) -> LearningRateComparison:
    """A third of ``planned``, ``planned`` and three times it, and a quarter of the ``critical`` rate where that is far
    off (beyond the cliff all rates are alike, and no neighbour tells); then further from ``planned`` while that is
    clearly better. All is undone. ``earlier``: branches of the same run that was planned at another rate; theirs, of as
    many steps, are not grown again."""
    accumulation = harness.settings.gradient_accumulation_steps
    batches = harness.first_batches(steps * accumulation)
    parts = [batches[at : at + accumulation] for at in range(0, len(batches), accumulation)]
    found = {one.lr: one for one in earlier.runs} if earlier and earlier.steps == steps else {}

    def grown(rate: float) -> LearningRateRun:
        near = min(found.values(), key=lambda one: abs(math.log(one.lr / rate)), default=None)
        if near is not None and (near.lr == rate or (rate != planned and 1 / NEAR < near.lr / rate < NEAR)):
            return near
        made = _branch(harness, rate, parts, held, publish, len(found))
        found[rate] = made
        return made

    start = look(harness, held, 0)
    rates = [planned, planned / FACTOR, planned * FACTOR]
    if critical and not 1 / FAR < SAFE * critical / planned < FAR:
        rates.append(SAFE * critical)
    for rate in rates:
        grown(rate)
    best = min(found.values(), key=_loss)
    factor = FACTOR if best.lr > planned else 1 / FACTOR
    for _ in range(FURTHER if best.lr != planned and _better(best, found[planned]) else 0):
        further = grown(best.lr * factor)
        if not _better(further, best):
            break
        best = further
    return LearningRateComparison(planned, steps, start, sorted(found.values(), key=lambda one: one.lr))


def _better(one: LearningRateRun, other: LearningRateRun) -> bool:
    if not math.isfinite(other.evaluation.loss):
        return True
    found = paired_difference(other.evaluation, one.evaluation)
    return found is not None and found.t >= SURE


def _loss(branch: LearningRateRun) -> float:
    return branch.evaluation.loss if math.isfinite(branch.evaluation.loss) else math.inf


def _branch(
    harness: ProbeHarness, rate: float, parts: list[list[Batch]], held: HeldOutRows, publish: Publish, before: int
) -> LearningRateRun:
    """``before``: runs that are made already."""
    losses = []
    with harness.untouched(), harness.optimizer() as optimizer:
        for step, part in enumerate(parts):
            losses.append(harness.gradients(part))
            if not math.isfinite(losses[-1]):
                break
            harness.clip()
            set_rate(optimizer, rate * min(1.0, (step + 1) / WARMUP))
            optimizer.step()
            optimizer.zero_grad()
            publish(ProbeStep("lr_comparison", before * len(parts) + step + 1, FIRST * len(parts)))
        return LearningRateRun(rate, losses, look(harness, held, len(losses)))
