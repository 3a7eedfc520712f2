"""What one step takes in memory: measured, on the device that trains."""

from __future__ import annotations

import threading

import torch

from sanetune.engine.batches import Batch
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import LargestStep, PeakMemory

EVERY = 0.01
"""Seconds between two looks at the process's memory."""


def peak_of_a_step(harness: ProbeHarness, batch: Batch, evaluated: Batch | None = None) -> PeakMemory:
    """Forward, backward and optimizer step on ``batch``, with dropout off, then, with the optimizer's state still
    there, the loss on the ``evaluated`` batch; everything is put back, and what was allocated is let go."""
    cuda = harness.device.type == "cuda"
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(harness.device)
    fits = True
    with Resident() as resident:
        try:
            with harness.untouched(), harness.optimizer() as optimizer:
                harness.gradients([batch])
                optimizer.step()
                if evaluated is not None:
                    harness.evaluate(evaluated)
        except (torch.OutOfMemoryError, MemoryError):
            fits = False
            if cuda:
                torch.cuda.empty_cache()
    if cuda:
        total = torch.cuda.get_device_properties(harness.device).total_memory
        return PeakMemory(torch.cuda.max_memory_allocated(harness.device), total, fits)
    return PeakMemory(resident.peak, resident.total, fits)


def largest_step(harness: ProbeHarness) -> LargestStep:
    """Measured on a batch of the longest training rows, and one of the longest validation rows after it."""
    settings, prepared = harness.settings, harness.prepared
    batch = harness.longest_batch(prepared.train, settings.per_device_train_batch_size)
    evaluated = None
    if prepared.validation is not None and len(prepared.validation):
        evaluated = harness.longest_batch(prepared.validation, settings.per_device_eval_batch_size)
    rows, places = batch["input_ids"].shape
    peak = peak_of_a_step(harness, batch, evaluated)
    return LargestStep(peak, rows, places, str(harness.device), settings.activation_checkpointing)


class Resident(threading.Thread):
    """The largest resident memory of this process while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        import psutil

        self._process = psutil.Process()
        self._done = threading.Event()
        self.total = int(psutil.virtual_memory().total)
        self.peak = int(self._process.memory_info().rss)

    def __enter__(self) -> Resident:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.wait(EVERY):
            self.peak = max(self.peak, int(self._process.memory_info().rss))
