"""The trial: the first steps of the run with its engine, data and schedule, which are measured and undone."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.engine.base import ShortRun, StepBatches, StepWatcher
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.device_speed import synchronize
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.heldout import HeldOutRows, evaluate_rows, evaluate_start
from sanetune.probes.peak_memory import Resident
from sanetune.probes.results import Timing, Trial

T = TypeVar("T")

EVAL_STEPS, FIXED_BATCH_STEPS = 50, 5
"""Steps between two evaluations of the validation rows, and of the fixed evaluation batch."""
WARMUP_SHARE = 0.25
"""Fraction of the trial that may be warm-up, so that it reaches the peak learning rate."""


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """When a trial ends early: nothing that follows can change what the checks of its curve say.

    Attributes:
        times: The fixed batch's first loss, times this, is what its later ones exceed. curve-diverged fails a trial
            from 1.1 times on, so that one which ends here has failed in any case.
        evaluations: Evaluations of the fixed batch in a row that do, none of them below the first of them.
    """

    times: float = 1.5
    evaluations: int = 5

    def reason(self, points: Sequence[Point], fixed: Sequence[Evaluation]) -> str:
        """Return why the trial is to end, in words; "" where it goes on.

        Args:
            points: The steps that were logged.
            fixed: Evaluations of the fixed batch.

        >>> EarlyStop().reason([Point(3, float("nan"))], [])
        'the loss is not a number at step 3'
        """
        if points and not math.isfinite(points[-1].loss):
            return f"the loss is not a number at step {points[-1].step}"
        if len(fixed) <= self.evaluations:
            return ""
        first, last = fixed[0].loss, [one.loss for one in fixed[-self.evaluations :]]
        if not any(map(math.isfinite, last)):
            return "the validation loss is not a number"
        if all(loss > self.times * first and loss >= last[0] for loss in last):
            return f"the validation loss has risen from {first:.3g} to {last[-1]:.3g} and stays there"
        return ""


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """The steps of a trial and of the run that it is part of.

    Attributes:
        steps: Optimizer steps of the trial.
        total_steps: Steps of the whole run, whose schedule the trial follows.
        run_warmup_steps: Warm-up steps of the whole run.
        steps_per_epoch: Optimizer steps of one epoch.
        eval_steps: Steps between evaluations of the validation rows.
        early_stop: When it ends before its last step.
    """

    steps: int
    total_steps: int
    run_warmup_steps: int
    steps_per_epoch: float
    eval_steps: int = EVAL_STEPS
    early_stop: EarlyStop = field(default_factory=EarlyStop)

    @property
    def warmup_steps(self) -> int:
        """Warm-up steps of the trial."""
        return min(self.run_warmup_steps, int(self.steps * WARMUP_SHARE))


def run_trial(
    harness: ProbeHarness,
    config: TrialConfig,
    validation: HeldOutRows,
    at_end: Callable[[int], T] = lambda steps: None,  # type: ignore[assignment, return-value]
    publish: Publish = silent,
) -> tuple[Trial, T]:
    """Make the first steps of the run, and undo them.

    Args:
        harness: The model.
        config: Numbers of steps.
        validation: The rows that the trial is evaluated on.
        at_end: Called with the steps that were made, fewer where it ended early, while the model has the tuned weights.
        publish: Called with each step.

    Returns:
        The trial, and what ``at_end`` returned.
    """
    short = ShortRun(config.steps, config.total_steps, config.warmup_steps, validation.left)
    with harness.untouched(training=True):
        watch = _Watch(harness, config, validation, publish)
        with watch.memory():
            harness.session.train_briefly(short, watch)
        harness.model.eval()
        result = at_end(watch.steps)
    return watch.trial(), result


class _Watch(StepWatcher):
    """Records, evaluates and times the trial, and stops it early when its outcome is certain."""

    def __init__(self, harness: ProbeHarness, config: TrialConfig, validation: HeldOutRows, publish: Publish) -> None:
        self.harness, self.config, self.publish = harness, config, publish
        self.validation, self.fixed_batch = validation, validation.few()
        self.points: list[Point] = []
        self.evaluations: list[Evaluation] = []
        self.fixed_evaluations: list[Evaluation] = []
        self.norms: list[tuple[int, float]] = []
        self.timing = Timing()
        self.stopped, self.steps = "", 0
        self.peak_bytes = 0
        self._step_began = self._wait = 0.0
        self._evaluation_seconds = 0.0

    @contextlib.contextmanager
    def memory(self) -> Iterator[None]:
        """Measure the peak memory inside the context."""
        device = self.harness.device
        with Resident() as resident:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            yield
        self.peak_bytes = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident.peak

    def begin(self) -> None:
        self._evaluate(0)
        self._step_began = time.perf_counter()

    def batches(self, batches: StepBatches) -> None:
        self._wait = batches.seconds
        self.timing.tokens.append(batches.tokens)
        self.timing.loss_tokens.append(batches.loss_tokens)
        self.timing.padded_tokens.append(batches.padded_tokens)

    def step(self, step: int) -> bool:
        synchronize(self.harness.device)
        self.timing.step_seconds.append(time.perf_counter() - self._step_began)
        self.timing.dataloader_seconds.append(self._wait)
        self.steps = step
        self._evaluate(step)
        self.publish(ProbeStep("trial", step, self.config.steps))
        self.stopped = self.config.early_stop.reason(self.points, self.fixed_evaluations)
        self._step_began = time.perf_counter()
        return bool(self.stopped)

    def point(self, point: Point) -> None:
        self.points.append(point)

    def _evaluate(self, step: int) -> None:
        """Evaluate the fixed batch often, and all validation rows at longer intervals and at the end."""
        last = step == self.config.steps
        if not len(self.validation):
            return
        if step % FIXED_BATCH_STEPS == 0 or last:
            self.fixed_evaluations.append(evaluate_rows(self.harness, self.fixed_batch, step))
            self.norms.append((step, self._weight_norm()))
        if step % self.config.eval_steps == 0 or last:
            began = time.perf_counter()
            self.evaluations.append(
                evaluate_rows(self.harness, self.validation, step)
                if step
                else evaluate_start(self.harness, self.validation)
            )
            self._evaluation_seconds = time.perf_counter() - began

    def _weight_norm(self) -> float:
        with torch.no_grad():
            weights = self.harness.trained().values()
            return float(torch.stack([weight.float().norm() for weight in weights]).norm())

    def trial(self) -> Trial:
        """Return what was measured."""
        settings, config = self.harness.settings, self.config
        timing = replace(
            self.timing,
            evaluation_seconds=self._evaluation_seconds,
            evaluation_loss_tokens=sum(self.evaluations[-1].tokens) if self.evaluations else 0,
            peak_bytes=self.peak_bytes,
        )
        curve = Curve(
            self.points,
            self.evaluations,
            self.fixed_evaluations,
            self.norms,
            total_steps=config.total_steps,
            steps_per_epoch=config.steps_per_epoch,
            warmup_steps=config.warmup_steps,
            vocab_size=self.harness.vocab_size,
            planned_lr=settings.learning_rate,
            max_grad_norm=settings.max_grad_norm,
            finished=self.steps >= config.total_steps,
        )
        cut = config.run_warmup_steps if config.warmup_steps < config.run_warmup_steps else 0
        return Trial(curve, timing, config.steps, self.steps, self.stopped, self.validation.source, cut)
