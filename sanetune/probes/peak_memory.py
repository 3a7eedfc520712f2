"""Measures the peak memory of one training step."""

from __future__ import annotations

import threading

import torch

from sanetune.engine.batches import Batch
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.probes.harness import ProbeHarness
from sanetune.probes.results import LargestStep, PeakMemory

EVERY = 0.01
"""Seconds between two measurements of the process's memory."""


def peak_of_a_step(harness: ProbeHarness, batch: Batch, evaluated: Batch | None = None) -> PeakMemory:
    """Measure the memory of a forward pass, backward pass and optimizer step on ``batch``, and undo the step.

    Args:
        harness: The model.
        batch: The micro-batch of the step.
        evaluated: A batch whose loss is computed afterwards, with the optimizer's state in memory.
    """
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
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            fits = False
            if cuda:
                torch.cuda.empty_cache()
    if cuda:
        total = torch.cuda.get_device_properties(harness.device).total_memory
        return PeakMemory(torch.cuda.max_memory_allocated(harness.device), total, fits)
    return PeakMemory(resident.peak, resident.total, fits)


def largest_step(harness: ProbeHarness) -> LargestStep:
    """Measure a step on a batch of the longest training rows, and an evaluation of the longest validation rows."""
    settings, prepared = harness.settings, harness.prepared
    batch = harness.longest_batch(prepared.train, settings.per_device_train_batch_size)
    evaluated = None
    if prepared.validation is not None and len(prepared.validation):
        evaluated = harness.longest_batch(prepared.validation, settings.per_device_eval_batch_size)
    rows, row_tokens = batch["input_ids"].shape
    memory = peak_of_a_step(harness, batch, evaluated)
    return LargestStep(memory, rows, row_tokens, str(harness.device), settings.activation_checkpointing)


class Resident(threading.Thread):
    """Measures the peak resident memory of this process inside the context.

    Attributes:
        peak: The peak so far, in bytes.
        total: Memory of the machine, in bytes.
    """

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
