"""The learning-rate comparison: short runs from the same weights, compared on the validation rows.

Under gradient clipping, a learning rate that is too high often neither diverges nor oscillates but trains less, which
the curve alone does not show. The short runs differ in their learning rate alone, so it causes all differences.
"""

from __future__ import annotations

import math

from sanetune.curves.paired import paired_difference
from sanetune.engine.batches import Batch
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.cut_batches import cut
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.heldout import HeldOutRows, evaluate_rows, evaluate_start
from sanetune.probes.lr_search import set_lr
from sanetune.probes.results import LearningRateComparison, LearningRateRun

STEPS = 40
"""Optimizer steps of one run."""
WARMUP = 5
FACTOR = 3.0
FIRST, FURTHER = 3, 4
"""Runs that are always made, and further runs at most, while each is better than the one before."""
SAFE, FAR = 0.25, 5.0
"""A quarter of the critical learning rate is tried if it is more than five times as high or low as the planned one."""
NEAR = 1.5
"""A run of an earlier round is used for a learning rate within this factor, except for the planned one."""
KEPT = 2
"""A large model on a processor trains on the first rows of each batch that have so many times the tokens of a probe's:
the best learning rate goes with the root of the batch size at most, and neighbours are three times apart."""
SURE = 3.0
"""Standard errors from which on a difference counts as certain."""


def compare_lrs(
    harness: ProbeHarness,
    planned: float,
    validation: HeldOutRows,
    critical: float | None = None,
    *,
    steps: int = STEPS,
    earlier: LearningRateComparison | None = None,
    publish: Publish = silent,
) -> LearningRateComparison:
    """Train a few steps at several learning rates, from the same weights and on the same batches, and undo them.

    The learning rates are the planned one, a third of it and three times it; a quarter of the critical one where that
    is far from the planned one, since far above it neighbouring learning rates do equally badly; then further ones in
    the better direction while each is clearly better than the one before.

    Args:
        harness: The model.
        planned: Peak learning rate of the run.
        validation: The rows that the runs are compared on.
        critical: The critical learning rate, where it is known.
        steps: Optimizer steps of each run.
        earlier: What an earlier round found, of a run that differs in its learning rate alone; its runs of as many
            steps are not made again.
        publish: Called with each step.
    """
    accumulation = harness.settings.gradient_accumulation_steps
    most = KEPT * harness.most_tokens // accumulation if harness.most_tokens else None
    batches = [cut(batch, most) for batch in harness.first_batches(steps * accumulation)]
    parts = [batches[at : at + accumulation] for at in range(0, len(batches), accumulation)]
    found = {one.lr: one for one in earlier.runs} if earlier and earlier.steps == steps else {}

    def run_at(lr: float) -> LearningRateRun:
        near = min(found.values(), key=lambda one: abs(math.log(one.lr / lr)), default=None)
        if near is not None and (near.lr == lr or (lr != planned and 1 / NEAR < near.lr / lr < NEAR)):
            return near
        made = _run(harness, lr, parts, validation, publish, len(found))
        found[lr] = made
        return made

    start = evaluate_start(harness, validation)
    lrs = [planned, planned / FACTOR, planned * FACTOR]
    if critical and not 1 / FAR < SAFE * critical / planned < FAR:
        lrs.append(SAFE * critical)
    for lr in lrs:
        run_at(lr)
    best = min(found.values(), key=_loss)
    factor = FACTOR if best.lr > planned else 1 / FACTOR
    for _ in range(FURTHER if best.lr != planned and _better(best, found[planned]) else 0):
        further = run_at(best.lr * factor)
        if not _better(further, best):
            break
        best = further
    return LearningRateComparison(planned, steps, start, sorted(found.values(), key=lambda one: one.lr))


def _better(one: LearningRateRun, other: LearningRateRun) -> bool:
    if not math.isfinite(other.evaluation.loss):
        return True
    found = paired_difference(other.evaluation, one.evaluation)
    return found is not None and found.t >= SURE


def _loss(run: LearningRateRun) -> float:
    return run.evaluation.loss if math.isfinite(run.evaluation.loss) else math.inf


def _run(
    harness: ProbeHarness, lr: float, parts: list[list[Batch]], validation: HeldOutRows, publish: Publish, before: int
) -> LearningRateRun:
    """One run; ``before`` is the number of runs made already."""
    losses = []
    with harness.untouched(), harness.optimizer() as optimizer:
        for step, part in enumerate(parts):
            losses.append(harness.gradients(part))
            if not math.isfinite(losses[-1]):
                break
            harness.clip()
            set_lr(optimizer, lr * min(1.0, (step + 1) / WARMUP))
            optimizer.step()
            optimizer.zero_grad()
            publish(ProbeStep("lr_comparison", before * len(parts) + step + 1, FIRST * len(parts)))
        return LearningRateRun(lr, losses, evaluate_rows(harness, validation, len(losses)))
