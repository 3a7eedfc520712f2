"""The trial: the first steps of the real run, on its own engine, data and schedule, measured closely and undone."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.engine.base import ShortRun, StepBatches, StepWatcher
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.device_speed import synchronize
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.heldout import HeldOutRows, evaluate_rows
from sanetune.probes.peak_memory import Resident
from sanetune.probes.results import Timing, Trial

T = TypeVar("T")

EVAL_STEPS, FIXED_BATCH_STEPS = 50, 5
"""Steps between two evaluations of the validation rows, and of the fixed evaluation batch."""
WARMUP_SHARE = 0.25
"""Most of the trial that may be warm-up: the peak learning rate has to be reached in it."""


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """How a trial is made.

    Attributes:
        steps: Optimizer steps of the trial.
        total_steps: Steps of the whole run, whose schedule the trial follows.
        run_warmup_steps: Steps of warm-up of the whole run.
        steps_per_epoch: Optimizer steps of one epoch.
        eval_steps: Steps between evaluations of the validation rows.
    """

    steps: int
    total_steps: int
    run_warmup_steps: int
    steps_per_epoch: float
    eval_steps: int = EVAL_STEPS

    @property
    def warmup_steps(self) -> int:
        """Steps of warm-up of the trial."""
        return min(self.run_warmup_steps, int(self.steps * WARMUP_SHARE))


def run_trial(
    harness: ProbeHarness,
    config: TrialConfig,
    validation: HeldOutRows,
    at_end: Callable[[], T] = lambda: None,  # type: ignore[assignment, return-value]
    publish: Publish = silent,
) -> tuple[Trial, T]:
    """Make the first steps of the run; everything is undone.

    Args:
        harness: The model.
        config: How many steps, and of what.
        validation: The rows that it is evaluated on.
        at_end: Called with the tuned weights in the model, before they are put back.
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
        result = at_end()
    return watch.trial(), result


class _Watch(StepWatcher):
    """Follows the trial: keeps what is logged, evaluates, times; and ends it where its outcome is certain."""

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
        """Measures the most memory in use within."""
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
        self.stopped = hopeless(self.points, self.fixed_evaluations)
        self._step_began = time.perf_counter()
        return bool(self.stopped)

    def point(self, point: Point) -> None:
        self.points.append(point)

    def _evaluate(self, step: int) -> None:
        """The fixed batch often, all validation rows seldom and at the end."""
        last = step == self.config.steps
        if not len(self.validation):
            return
        if step % FIXED_BATCH_STEPS == 0 or last:
            self.fixed_evaluations.append(evaluate_rows(self.harness, self.fixed_batch, step))
            self.norms.append((step, self._weight_norm()))
        if step % self.config.eval_steps == 0 or last:
            began = time.perf_counter()
            self.evaluations.append(evaluate_rows(self.harness, self.validation, step))
            self._evaluation_seconds = time.perf_counter() - began

    def _weight_norm(self) -> float:
        with torch.no_grad():
            weights = self.harness.trained().values()
            return float(torch.stack([weight.float().norm() for weight in weights]).norm())

    def trial(self) -> Trial:
        """What was measured."""
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
        return Trial(curve, timing, config.steps, self.steps, self.stopped, self.validation.source)


RISEN = 1.5
"""Times the first loss of the fixed batch, at which the trial is hopeless when it stays there ..."""
STAYED = 5
"""... for so many evaluations, of which no later one is lower than the first of them."""


def hopeless(points: list[Point], fixed: list[Evaluation]) -> str:
    """Return why nothing can change the verdict any more, in words; "" where it can.

    ``points`` are the logged steps, ``fixed`` the evaluations of the fixed batch.
    """
    if points and not math.isfinite(points[-1].loss):
        return f"the loss is not a number at step {points[-1].step}"
    last = fixed[-STAYED:]
    if len(fixed) > STAYED and all(not math.isfinite(one.loss) for one in last):
        return "the validation loss is not a number"
    if len(fixed) > STAYED and all(one.loss > RISEN * fixed[0].loss and one.loss >= last[0].loss for one in last):
        return f"the validation loss has risen from {fixed[0].loss:.3g} to {last[-1].loss:.3g} and stays there"
    return ""
