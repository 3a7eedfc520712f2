"""Public runs as runs whose end is forecast: the logs of `bench.curves.unseen` that have five evaluations or more.

Their models have the vocabularies of usual language models, and their logs no evaluation of the base: the first
training loss stands for it, which the law does not use (:func:`sanetune.forecast.outcome_signs.law_of`). A log is taken
to its last evaluation, at the learning rates that were logged.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.curves.unseen.__main__ import curve_of
from bench.curves.unseen.__main__ import read as read_logs
from bench.outcome.fitting import Seen
from sanetune.curves.series import Curve, Evaluation
from sanetune.forecast.beginning import Beginning
from sanetune.forecast.outcome import own_limit
from sanetune.forecast.outcome_signs import signs_of

AFTER = (0.25, 0.34, 0.5, 0.67, 0.84)
"""Shares of a run after which its end is forecast."""
FEWEST, KNOWN = 5, 3
"""Evaluations of a log, and those that are known when its end is forecast, at least."""
COMES_NEAR = 0.7
"""Of the share, that the last known evaluation is at: else it is that of a smaller one."""
PARTS = 5
"""Parts of the repositories; each is judged by a calibration that was fitted to the others."""
THERE = (0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
"""Losses to get below, as shares of the present one, by which chances of failing are learned: what was asked of public
runs is not known."""
ABOVE = "above its own lowest"
"""How a public run fails."""


@dataclass(frozen=True, eq=False)
class PublicRun:
    """A log to its last evaluation.

    Attributes:
        name: Its repository.
        curve: Its curve; the first evaluation stands for the base.
        planned: Learning rate of each step by the trainer's arguments, as a share of the peak; empty: not known.
    """

    name: str
    curve: Curve
    planned: Sequence[float] = ()
    fault: str = ""

    @property
    def setup(self) -> tuple[str, str]:
        """The part of the repositories that it belongs to, as data."""
        number = int(hashlib.sha256(self.name.encode()).hexdigest(), 16) % PARTS
        return "public", f"part {number + 1}"

    @property
    def steps(self) -> int:
        """Steps to its last evaluation."""
        return self.curve.validation[-1].step

    @property
    def losses(self) -> list[float]:
        """The evaluations' losses, in nats, without that of the base."""
        return [one.loss for one in self.curve.validation[1:]]

    @property
    def final(self) -> float:
        """The last one."""
        return self.losses[-1]

    @property
    def lrs(self) -> list[float]:
        """Learning rate of each step: that of the next record which has one, else that of the schedule that a trainer's
        arguments name; 1 throughout where neither is known."""
        logged = [(one.step, one.lr) for one in self.curve.points if one.lr is not None and math.isfinite(one.lr)]
        if not logged:
            return self.planned or [1.0] * self.steps
        steps = [step for step, _ in logged]
        return [logged[min(bisect_left(steps, step), len(logged) - 1)][1] for step in range(1, self.steps + 1)]

    def share(self, stage: float) -> float:
        """The share of the steps that are behind it."""
        return stage

    def first(self, stage: float) -> Curve:
        """The curve up to ``stage``."""
        known = [one for one in self.curve.validation if one.step <= stage * self.steps + 0.5]
        kept = [one for one in self.curve.points if one.step <= known[-1].step]
        return replace(self.curve, validation=known, points=kept)


def read() -> list[PublicRun]:
    """The logs that have enough evaluations."""
    found = (_run(log["repository"], curve_of(log), log.get("arguments", {})) for log in read_logs())
    return [run for run in found if run is not None]


def _run(name: str, curve: Curve, arguments: Mapping[str, Any]) -> PublicRun | None:
    evaluations = [one for one in curve.validation if 0 < one.loss < math.inf and one.step > 0]
    points = [one for one in curve.points if math.isfinite(one.loss)]
    if len(evaluations) < FEWEST or not points or points[0].loss <= 0:
        return None
    end = evaluations[-1].step
    # Training rows may be easier ones: a base below the first evaluation would be a lowest that no evaluation had.
    base = Evaluation(0, max(points[0].loss, evaluations[0].loss))
    kept = [one for one in points if one.step <= end]
    planned = _schedule(curve, arguments)[:end]
    return PublicRun(name, replace(curve, points=kept, validation=[base, *evaluations], total_steps=end), planned)


def _schedule(curve: Curve, arguments: Mapping[str, Any]) -> list[float]:
    """The learning rate of each step of the plan, as a share of the peak; empty where the arguments do not say it."""
    import torch
    from transformers import get_scheduler

    name, total = str(arguments.get("lr_scheduler_type", "")), curve.total_steps
    if name not in ("linear", "cosine", "constant", "constant_with_warmup") or not total:
        return []
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_scheduler(name, optimizer, curve.warmup_steps or 0, total)
    return [float(schedule.lr_lambdas[0](step)) for step in range(total)]


def seen(runs: Sequence[PublicRun]) -> list[Seen]:
    """The runs at each stage that they can be judged at."""
    return [one for stage in AFTER for run in runs for one in _at(run, stage)]


def _at(run: PublicRun, stage: float) -> Iterator[Seen]:
    curve = run.first(stage)
    known = curve.validation
    if len(known) <= KNOWN or known[-1].step < COMES_NEAR * stage * run.steps:
        return
    signs = signs_of(Beginning.of(curve, run.lrs))
    rose = run.final > own_limit(min(run.losses))
    # Nothing else is asked of it: the loss to get below is out of its way.
    yield Seen(run, stage, signs, math.inf, ABOVE if rose else "")


def with_losses_to_reach(some: Sequence[Seen]) -> list[Seen]:
    """The same, each with several losses to get below, to learn chances of failing by."""
    found = []
    for one in some:
        for share in THERE:
            there = share * one.signs.last
            failed = one.failure or ("above what was asked" if one.run.final > there else "")
            found.append(replace(one, there=there, failure=failed))
    return found
