"""Times a few real optimizer steps of a run: its engine, batches, optimizer and schedule."""

from __future__ import annotations

import time

import torch

from sanetune.curves.series import Point
from sanetune.engine.base import ShortRun, StepBatches, StepWatcher
from sanetune.events import ProbeStep, Publish, silent
from sanetune.probes.device_speed import synchronize
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.peak_memory import Resident
from sanetune.probes.results.step_speed import StepSpeed
from sanetune.rng import kept_random_states

STEPS = 3
"""Steps that are timed, after a first one that is not."""
SECONDS = 30.0
"""From so many seconds of timed steps on no further one is made."""


def step_speed(
    harness: ProbeHarness, *, total_steps: int, warmup_steps: int, name: str = "steps", publish: Publish = silent
) -> StepSpeed:
    """Make the first steps of the run and time them.

    The model has other weights afterwards: a copy of them would count as memory of the step. Random states are put
    back.

    Args:
        harness: The model; it is not used again.
        total_steps: Steps of the whole run, which its schedule spans.
        warmup_steps: Steps of its warm-up.
        name: What the progress of the steps is shown as.
        publish: Gets each step.
    """
    cuda = harness.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(harness.device)
    watch = _Watch(harness.device, name, publish)
    weights = sum(one.numel() * one.element_size() for one in harness.model.parameters())
    with kept_random_states(), Resident() as resident:
        before = resident.peak
        harness.model.train()
        harness.session.train_briefly(ShortRun(STEPS + 1, max(total_steps, STEPS + 1), warmup_steps), watch)
    peak = torch.cuda.max_memory_allocated(harness.device) if cuda else resident.peak - before + weights
    on_processor = watch.processor_seconds[1:] if harness.device.type == "cpu" else []
    tokens = watch.tokens[1 : len(watch.seconds)]
    return StepSpeed(watch.seconds[1:], tokens, watch.losses, peak, on_processor)


class _Watch(StepWatcher):
    """Times the steps."""

    def __init__(self, device: torch.device, name: str, publish: Publish) -> None:
        self.seconds: list[float] = []
        self.processor_seconds: list[float] = []
        self.tokens: list[int] = []
        self.losses: list[float] = []
        self._device, self._name, self._publish = device, name, publish
        self._began = self._used = 0.0

    def begin(self) -> None:
        self._began, self._used = time.perf_counter(), time.process_time()

    def batches(self, batches: StepBatches) -> None:
        self.tokens.append(batches.tokens)

    def step(self, step: int) -> bool:
        synchronize(self._device)
        self.seconds.append(time.perf_counter() - self._began)
        self.processor_seconds.append((time.process_time() - self._used) / torch.get_num_threads())
        self._publish(ProbeStep(self._name, step, STEPS + 1))
        self.begin()
        return step > 1 and sum(self.seconds[1:]) >= SECONDS

    def point(self, point: Point) -> None:
        self.losses.append(point.loss)
