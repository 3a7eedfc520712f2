"""Settings of a step that change its speed and memory, and not what is trained: those with the same effective batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from sanetune.config.schema import Config

TOLERANCE = 0.05
"""Share by which the tokens of a step may differ between rows and packs, since both are whole."""
SIZE = frozenset({"train.per_device_train_batch_size", "train.gradient_accumulation_steps"})
"""Keys that divide the effective batch."""


@dataclass(frozen=True, slots=True)
class StepSettings:
    """How the tokens of one optimizer step go through a device.

    Attributes:
        per_device: Examples (or packs) of a micro-batch.
        accumulation: Micro-batches of a step on one device.
        checkpointing: Whether activations are computed again in the backward pass instead of kept.
        packing: Whether examples are put into packs.
        bf16: Whether matrix products are computed in bfloat16.
    """

    per_device: int
    accumulation: int
    checkpointing: bool = False
    packing: bool = False
    bf16: bool = False

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return those of a resolved configuration."""
        train = config.train
        return cls(
            int(train.value("per_device_train_batch_size")),
            int(train.value("gradient_accumulation_steps")),
            bool(train.value("activation_checkpointing")),
            bool(train.value("packing")),
            bool(train.value("bf16")),
        )

    @property
    def examples(self) -> int:
        """Examples (or packs) of a step on one device."""
        return self.per_device * self.accumulation

    def values(self) -> dict[str, int | bool]:
        """Return ``section.key`` -> value of the configuration.

        >>> StepSettings(4, 2).values()["train.gradient_accumulation_steps"]
        2
        """
        return {
            "train.per_device_train_batch_size": self.per_device,
            "train.gradient_accumulation_steps": self.accumulation,
            "train.activation_checkpointing": self.checkpointing,
            "train.packing": self.packing,
            "train.bf16": self.bf16,
        }

    def divided(self, per_device: int) -> Self:
        """Return the same step in micro-batches of ``per_device`` examples, which divides its examples."""
        return replace(self, per_device=per_device, accumulation=self.examples // per_device)

    def sizes(self) -> list[int]:
        """Return the sizes of a micro-batch that divide the step evenly, ascending.

        >>> StepSettings(4, 3).sizes()
        [1, 2, 3, 4, 6, 12]
        """
        return [size for size in range(1, self.examples + 1) if self.examples % size == 0]


def equal_examples(tokens: float, mean_tokens: float) -> int | None:
    """Return how many examples of ``mean_tokens`` tokens make a step of ``tokens``; None where no whole number does.

    Of the numbers within :data:`TOLERANCE` it is one that can be divided in many ways, the nearest of these.

    >>> equal_examples(8 * 57, 228), equal_examples(8 * 57, 1024), equal_examples(9 * 100, 50)
    (2, None, 18)
    """
    exact = tokens / max(1.0, mean_tokens)
    low, high = exact * (1 - TOLERANCE), exact * (1 + TOLERANCE)
    whole = [number for number in range(max(1, int(low)), int(high) + 2) if low <= number <= high]
    return max(whole, key=lambda number: (len(StepSettings(1, number).sizes()), -abs(number - exact)), default=None)


def in_words(settings: StepSettings) -> str:
    """Return ``settings`` as they are called in progress and messages.

    >>> in_words(StepSettings(4, 2, packing=True))
    '4 x 2 packs, float32'
    """
    kind = "packs" if settings.packing else "rows"
    more = ", checkpointing" if settings.checkpointing else ""
    return f"{settings.per_device} x {settings.accumulation} {kind}, {'bf16' if settings.bf16 else 'float32'}{more}"
