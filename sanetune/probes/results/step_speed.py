"""Result of timing real optimizer steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StepSpeed:
    """A few optimizer steps of a run, without the first, which takes memory and compiles.

    Attributes:
        seconds: Of each step by the clock, batches included.
        tokens: Tokens of each step on one device, padding left out.
        losses: Training loss of each step, the first included, in nats per token in the loss.
        peak_bytes: The most memory: of the GPU's tensors; on a processor, the weights and what the process took for
            the steps beside them.
        processor_seconds: On a processor, the CPU seconds of each step for each of its threads: its time while nothing
            else runs. On a busy machine the clock tells more about the other programs. Empty: it trains on a GPU.
    """

    seconds: Sequence[float] = ()
    tokens: Sequence[int] = ()
    losses: Sequence[float] = field(default=())
    peak_bytes: int = 0
    processor_seconds: Sequence[float] = field(default=())

    @property
    def tokens_per_second(self) -> float:
        """Useful tokens per second of one device.

        >>> StepSpeed([1.0, 3.0], [100, 300]).tokens_per_second
        100.0
        """
        return sum(self.tokens) / max(1e-9, sum(self.processor_seconds or self.seconds))

    @property
    def first_loss(self) -> float:
        """Loss of the first step, with the weights of the base model; NaN where it is not known."""
        return self.losses[0] if self.losses else math.nan
