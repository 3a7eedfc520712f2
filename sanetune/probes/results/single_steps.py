"""Results of probes of single optimizer steps.

Losses are means over the tokens in the loss, in nats.
"""

from __future__ import annotations

from dataclasses import dataclass, field

OPPOSED = -0.5
"""Cosine below which the gradient of a loss points against that of its tokens: -1 with the sign turned."""


@dataclass(frozen=True, slots=True)
class ParameterUpdate:
    """The update of one trained tensor in one optimizer step.

    Attributes:
        size: Numbers in the tensor.
        squared_grad_norm: Sum of its gradient's squares; None: it has no gradient.
        nonzero_grads: Numbers whose gradient is not zero.
        changed: Those of them that the step changed.
    """

    size: int
    squared_grad_norm: float | None
    nonzero_grads: int
    changed: int


@dataclass(frozen=True, slots=True)
class FirstStep:
    """One step of the run's optimizer on the first batches, at the planned peak learning rate.

    Attributes:
        loss: Loss before the step.
        lr: Learning rate of the step.
        dtype: Dtype of the trained weights, for instance ``bfloat16``.
        updates: Name of a trained tensor -> its update.
        direction: Cosine between the loop's gradient and that of the mean loss of its tokens, where the loss is the
            user's own code; None: it is not, or there is no gradient.
        outside: Numbers of trained tensors that the optimizer does not hold.
        callbacks: Classes of the user's own callbacks that act when training, an epoch or a step begins, and are not
            called here: they may choose what is trained.
    """

    loss: float
    lr: float
    dtype: str
    updates: dict[str, ParameterUpdate]
    direction: float | None = None
    outside: int = 0
    callbacks: tuple[str, ...] = ()

    @property
    def climbs(self) -> bool:
        """Whether steps make the tokens in the loss less likely."""
        return self.direction is not None and self.direction < OPPOSED

    @property
    def holds_none(self) -> bool:
        """Whether the optimizer holds none of the trained weights: it was made for another model."""
        return 0 < sum(update.size for update in self.updates.values()) == self.outside

    @property
    def has_gradients(self) -> bool:
        """Whether any weight gets a gradient."""
        return any(update.squared_grad_norm is not None for update in self.updates.values())


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """The peak memory of one step.

    Attributes:
        peak_bytes: Peak on the device, or of the process on a CPU; the last value if the step ran out of memory.
        total_bytes: Memory of the device, or of the machine on a CPU.
        fits: False where the step ran out of memory.
    """

    peak_bytes: int
    total_bytes: int
    fits: bool


@dataclass(frozen=True, slots=True)
class LargestStep:
    """One training step on the run's longest rows.

    Attributes:
        memory: Its peak memory.
        rows: Rows of the batch.
        row_tokens: Tokens of each row, padding included.
        device: Its device, as torch names it.
        activation_checkpointing: Whether activations are computed again in the backward pass.
    """

    memory: PeakMemory
    rows: int
    row_tokens: int
    device: str
    activation_checkpointing: bool = False


@dataclass(frozen=True, slots=True)
class CriticalLearningRate:
    """The learning rate beyond which one step raises the loss.

    Attributes:
        lr: The largest learning rate that still lowers the loss; None: all that were tried do, or none does.
        best_lr: The learning rate that lowers the loss most; None: none lowers it.
        start_loss: Loss before the step.
        tried: Pairs of a learning rate and the loss after the step.
    """

    lr: float | None
    best_lr: float | None
    start_loss: float
    tried: list[tuple[float, float]] = field(default_factory=list)
