"""The course of a run, whoever logged it: losses, rates and norms by step, and losses on rows that are held out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One look at rows that are not trained on. ``step``: optimizer steps done before it.

    ``sums`` and ``tokens``: loss in nats and learnt tokens, row by row in an order that stays from look to look, so
    that looks can be compared in pairs; empty where only the ``loss`` per learnt token is known (another program's
    log).
    """

    step: int
    loss: float
    sums: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()

    @classmethod
    def of(cls, step: int, sums: list[float], tokens: list[int]) -> Evaluation:
        """A look at rows with these losses and learnt tokens."""
        return cls(step, sum(sums) / sum(tokens) if sum(tokens) else math.nan, tuple(sums), tuple(tokens))


@dataclass(frozen=True, slots=True)
class Point:
    """One logged training step. ``loss``: per learnt token in nats, of this step (or the mean since the point before,
    where a program logs seldom); ``epoch``: epochs done; None: not logged."""

    step: int
    loss: float
    rate: float | None = None
    grad_norm: float | None = None
    epoch: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """``points``: training, ascending. ``held``: looks at the validation rows; ``probe``: looks at a small fixed batch
    that is not trained on, taken often, which is free of the noise of batches.

    ``weight_norms``: (step, norm of the trained weights). ``total_steps``: how many the whole run has, of which these
    may be the first; ``finished``: they are all. ``vocabulary``: tokens that the model can write. None: not known.
    """

    points: list[Point] = field(default_factory=list)
    held: list[Evaluation] = field(default_factory=list)
    probe: list[Evaluation] = field(default_factory=list)
    weight_norms: list[tuple[int, float]] = field(default_factory=list)
    total_steps: int | None = None
    steps_per_epoch: float | None = None
    warmup_steps: int | None = None
    vocabulary: int | None = None
    planned_rate: float | None = None
    clipped_at: float | None = None
    """The gradient norm at which the run clips."""
    finished: bool = False
    source: str = "trial"
    """What it was read from, in words: the trial, or a log's file."""
