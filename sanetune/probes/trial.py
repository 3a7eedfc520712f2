"""The trial: the first steps of the real run, on its own engine, data and schedule, looked at closely and undone."""

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
from sanetune.probes.heldout import HeldOutRows, look
from sanetune.probes.peak_memory import Resident
from sanetune.probes.results import Timing, Trial

T = TypeVar("T")

EVERY, PROBED_EVERY = 50, 5
"""Steps between two looks at the held-out rows, and at the small batch."""
WARM_SHARE = 0.25
"""Most of the trial that may be warm-up: the peak rate has to be reached in it."""


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """``steps``: of the trial; ``total``: of the whole run, whose schedule the trial follows; ``warmup``: of the whole
    run; ``per_epoch``: steps of one epoch; ``every``: steps between looks."""

    steps: int
    total: int
    warmup: int
    per_epoch: float
    every: int = EVERY

    @property
    def warmed(self) -> int:
        """The warm-up of the trial."""
        return min(self.warmup, int(self.steps * WARM_SHARE))


def run(
    harness: ProbeHarness,
    config: TrialConfig,
    held: HeldOutRows,
    within: Callable[[], T] = lambda: None,  # type: ignore[assignment, return-value]
    publish: Publish = silent,
) -> tuple[Trial, T]:
    """The trial, and what ``within`` makes of the model at its end; then everything is put back."""
    short = ShortRun(config.steps, config.total, config.warmed, held.left)
    with harness.untouched(training=True):
        watch = _Watch(harness, config, held, publish)
        with watch.memory():
            harness.session.train_briefly(short, watch)
        harness.model.eval()
        after = within()
    return watch.trial(), after


class _Watch(StepWatcher):
    """Follows the trial: logs, evaluates, times; and ends it where nothing more can be learnt from it."""

    def __init__(self, harness: ProbeHarness, config: TrialConfig, held: HeldOutRows, publish: Publish) -> None:
        self.harness, self.config, self.held, self.few, self.publish = harness, config, held, held.few(), publish
        self.points: list[Point] = []
        self.looks: list[Evaluation] = []
        self.probes: list[Evaluation] = []
        self.norms: list[tuple[int, float]] = []
        self.timed = Timing()
        self.stopped, self.done = "", 0
        self.peak = 0
        self._mark = self._wait = 0.0
        self._look_seconds = 0.0

    @contextlib.contextmanager
    def memory(self) -> Iterator[None]:
        """Measures the most memory in use within."""
        device = self.harness.device
        with Resident() as resident:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            yield
        self.peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else resident.peak

    def begin(self) -> None:
        self._look(0)
        self._mark = time.perf_counter()

    def batches(self, batches: StepBatches) -> None:
        self._wait = batches.seconds
        self.timed.tokens.append(batches.tokens)
        self.timed.loss_tokens.append(batches.loss_tokens)
        self.timed.padded_tokens.append(batches.padded_tokens)

    def step(self, step: int) -> bool:
        synchronize(self.harness.device)
        self.timed.step_seconds.append(time.perf_counter() - self._mark)
        self.timed.dataloader_seconds.append(self._wait)
        self.done = step
        self._look(step)
        self.publish(ProbeStep("trial", step, self.config.steps))
        self.stopped = hopeless(self.points, self.probes)
        self._mark = time.perf_counter()
        return bool(self.stopped)

    def point(self, point: Point) -> None:
        self.points.append(point)

    def _look(self, step: int) -> None:
        """Evaluates the small batch often, all validation rows seldom and at the end."""
        last = step == self.config.steps
        if not len(self.held) or not (step % PROBED_EVERY == 0 or step % self.config.every == 0 or last):
            return
        if step % PROBED_EVERY == 0 or last:
            self.probes.append(look(self.harness, self.few, step))
            self.norms.append((step, self._norm()))
        if step % self.config.every == 0 or last:
            began = time.perf_counter()
            self.looks.append(look(self.harness, self.held, step))
            self._look_seconds = time.perf_counter() - began

    def _norm(self) -> float:
        with torch.no_grad():
            weights = self.harness.trained().values()
            return float(torch.stack([weight.float().norm() for weight in weights]).norm())

    def trial(self) -> Trial:
        """What was seen."""
        settings = self.harness.settings
        timing = replace(
            self.timed,
            evaluation_seconds=self._look_seconds,
            evaluation_loss_tokens=sum(self.looks[-1].tokens) if self.looks else 0,
            peak_bytes=self.peak,
        )
        curve = Curve(
            self.points,
            self.looks,
            self.probes,
            self.norms,
            total_steps=self.config.total,
            steps_per_epoch=self.config.per_epoch,
            warmup_steps=self.config.warmed,
            vocab_size=self.harness.vocab_size,
            planned_lr=settings.learning_rate,
            max_grad_norm=settings.max_grad_norm,
            finished=self.done >= self.config.total,
        )
        return Trial(curve, timing, self.config.steps, self.done, self.stopped, self.held.source)


RISEN = 1.5
"""Times the first probe's loss, at which the trial is hopeless when it stays there ..."""
STAYED = 5
"""... for so many looks, of which no later one is lower than the first of them."""


def hopeless(points: list[Point], probes: list[Evaluation]) -> str:
    """Why nothing can change the verdict any more, in words; "" where it can."""
    if points and not math.isfinite(points[-1].loss):
        return f"the loss is not a number at step {points[-1].step}"
    some = probes[-STAYED:]
    if len(probes) > STAYED and all(not math.isfinite(one.loss) for one in some):
        return "the held-out loss is not a number"
    if len(probes) > STAYED and all(one.loss > RISEN * probes[0].loss and one.loss >= some[0].loss for one in some):
        return f"the held-out loss has risen from {probes[0].loss:.3g} to {some[-1].loss:.3g} and stays there"
    return ""
