"""What measuring the critical learning rate costs, in optimizer steps, so that a budget counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sanetune.engine.batches import Batch
from sanetune.probes.harness import ProbeHarness

BACKWARD = 2.0
"""A backward pass costs about two forward passes (Kaplan et al., arXiv:2001.08361, section 2.1)."""


@dataclass
class CountedHarness(ProbeHarness):
    """A probe harness that counts the passes of its batches.

    Attributes:
        forward: Forward passes of a micro-batch.
        backward: Backward passes of a micro-batch.
    """

    forward: int = 0
    backward: int = 0

    @classmethod
    def of(cls, harness: ProbeHarness) -> CountedHarness:
        """Return ``harness`` with a count."""
        return cls(harness.session, harness.config, harness.prepared, harness.batches)

    @property
    def steps(self) -> float:
        """What was counted, in optimizer steps of the run."""
        step = (1 + BACKWARD) * self.settings.gradient_accumulation_steps
        return (self.forward + BACKWARD * self.backward) / step

    def loss(self, batches: Sequence[Batch] | None = None) -> float:
        """See :meth:`sanetune.probes.harness.ProbeHarness.loss`."""
        self.forward += len(self.batches if batches is None else batches)
        return super().loss(batches)

    def gradients(self, batches: Sequence[Batch] | None = None, *, label_smoothing: bool = True) -> float:
        """See :meth:`sanetune.probes.harness.ProbeHarness.gradients`."""
        count = len(self.batches if batches is None else batches)
        self.forward += count
        self.backward += count
        return super().gradients(batches, label_smoothing=label_smoothing)
