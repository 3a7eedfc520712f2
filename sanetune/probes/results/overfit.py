"""What came of memorising a few examples.

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
        losses: Before each step, and after the last.
    """

    lr: float
    losses: list[float]

    @property
    def steps(self) -> int:
        """Optimizer steps made."""
        return max(0, len(self.losses) - 1)

    @property
    def final_loss(self) -> float:
        """After the last step; NaN without one."""
        return self.losses[-1] if self.losses else math.nan


@dataclass(frozen=True, slots=True)
class RecitedReply:
    """What greedy decoding gives for one memorised example, as text with special tokens.

    Attributes:
        prompt: What was asked.
        expected: The answer that was trained on.
        written: The answer that came.
        exact: Whether the two agree token for token, the end token included.
        matching_tokens: Tokens that agree, counted from the start.
        expected_tokens: Tokens of the expected answer.
        ended: Whether the answer stopped at a stop token.
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
    """A token whose loss stays high although that of the others falls.

    Attributes:
        token: As the tokenizer writes it.
        count: How often it is in the loss.
        loss: Its mean loss after the last attempt.
        is_stop: Whether it ends an answer.
    """

    token: str
    count: int
    loss: float
    is_stop: bool


@dataclass(frozen=True, slots=True)
class Overfit:
    """Whether the model can memorise a few examples.

    Attributes:
        examples: Examples that were trained on.
        loss_tokens: Their tokens in the loss.
        steps: Steps of one attempt, at most.
        target_loss: Loss at which the examples count as memorised.
        critical_lr: The critical learning rate, from which those of the attempts are taken; None: not found.
        attempts: At the test's own learning rates, the best last.
        at_planned_lr: The same at the planned learning rate; None: one of the attempts stands for it.
        replies: Answers after the last attempt, where that has memorised the examples.
        stuck: Tokens that the last attempt has not memorised, most of the loss first.
        other_loss: Loss of the last attempt on all tokens but those.
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
        """The attempt with the lowest final loss; one that ends at no finite number is never it."""
        return min(self.attempts, key=lambda one: finite_or_worst(one.final_loss), default=OverfitAttempt(math.nan, []))

    @property
    def exact_replies(self) -> int:
        """Answers that came back token for token."""
        return sum(one.exact for one in self.replies)


def finite_or_worst(loss: float) -> float:
    """``loss`` for a comparison in which lower is better and NaN is worst.

    >>> min([float("nan"), 2.0], key=finite_or_worst)
    2.0
    """
    return loss if math.isfinite(loss) else math.inf
