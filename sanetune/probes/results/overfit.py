"""Results of the overfit test.

Losses are means over the tokens in the loss, in nats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OverfitAttempt:
    """Some steps on the same few examples at one learning rate.

    Attributes:
        lr: Peak learning rate.
        losses: Loss before each step and after the last.
    """

    lr: float
    losses: list[float]

    @property
    def steps(self) -> int:
        """Optimizer steps made."""
        return max(0, len(self.losses) - 1)

    @property
    def final_loss(self) -> float:
        """Loss after the last step; NaN without one."""
        return self.losses[-1] if self.losses else math.nan


@dataclass(frozen=True, slots=True)
class RecitedReply:
    """The greedy answer to the prompt of a memorised example, as text with special tokens.

    Attributes:
        prompt: The prompt.
        expected: The answer in the example.
        written: The answer of the model.
        exact: Whether all tokens of the two are equal, including the stop token.
        matching_tokens: Equal tokens, counted from the start.
        expected_tokens: Tokens of the expected answer.
        ended: Whether the model's answer ends with a stop token.
    """

    prompt: str
    expected: str
    written: str
    exact: bool
    matching_tokens: int
    expected_tokens: int
    ended: bool


@dataclass(frozen=True, slots=True)
class StuckToken:
    """A token whose loss stays high while that of the others falls.

    Attributes:
        token: The token, as in the vocabulary.
        count: How often it is in the loss.
        loss: Its mean loss after the last attempt.
        is_stop: Whether it is a stop token.
    """

    token: str
    count: int
    loss: float
    is_stop: bool


@dataclass(frozen=True, slots=True)
class Overfit:
    """Whether the model can memorise a few examples.

    Attributes:
        examples: Number of examples that were trained on.
        loss_tokens: Tokens of the examples that are in the loss.
        steps: Steps of one attempt, at most.
        target_loss: Loss at which the examples count as memorised.
        critical_lr: The critical learning rate, which those of the attempts follow from; None: not found.
        attempts: Attempts at learning rates near the critical one, the best last.
        at_planned_lr: The attempt at the planned learning rate; None: it is near that of the last attempt, or the
            device is slow.
        replies: Answers after the last attempt, if that has memorised the examples.
        stuck: Tokens that the last attempt has not memorised, by falling share of the loss.
        other_loss: Loss of the last attempt on all other tokens.
    """

    examples: int
    loss_tokens: int
    steps: int
    target_loss: float
    critical_lr: float | None
    attempts: list[OverfitAttempt]
    at_planned_lr: OverfitAttempt | None = None
    replies: list[RecitedReply] = field(default_factory=list)
    stuck: list[StuckToken] = field(default_factory=list)
    other_loss: float = 0.0

    @property
    def best(self) -> OverfitAttempt:
        """The attempt with the lowest final loss; an infinite or NaN loss counts as the highest."""
        return min(self.attempts, key=lambda one: finite_or_worst(one.final_loss), default=OverfitAttempt(math.nan, []))

    @property
    def exact_replies(self) -> int:
        """Number of answers that were reproduced exactly."""
        return sum(one.exact for one in self.replies)


def finite_or_worst(loss: float) -> float:
    """Return ``loss`` for comparisons, with NaN replaced by infinity.

    >>> min([float("nan"), 2.0], key=finite_or_worst)
    2.0
    """
    return loss if math.isfinite(loss) else math.inf
