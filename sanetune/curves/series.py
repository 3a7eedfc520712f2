"""The curve of a run, whoever logged it: losses, learning rates and norms by step, and evaluations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

TRIAL = "trial"
"""The source of a trial's curve."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The loss on rows that are not trained on, at one step.

    Attributes:
        step: Optimizer steps done before it.
        loss: Mean over the tokens in the loss, in nats.
        sums: Loss of each row, summed over its tokens, in nats; of a run with many rows that of each group of rows.
            They are the same rows at each evaluation, so that evaluations can be compared in pairs. Empty where only
            ``loss`` is known (another program's log).
        tokens: Tokens in the loss of each row or group.
        accuracy: Share of the tokens in the loss that the model thinks likeliest; None: not logged.
    """

    step: int
    loss: float
    sums: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    accuracy: float | None = None

    @classmethod
    def of(cls, step: int, sums: list[float], tokens: list[int]) -> Evaluation:
        """The evaluation of rows with these losses (sums in nats) and tokens in the loss."""
        return cls(step, sum(sums) / sum(tokens) if sum(tokens) else math.nan, tuple(sums), tuple(tokens))


@dataclass(frozen=True, slots=True)
class Point:
    """One logged training step. None: not logged.

    Attributes:
        step: Optimizer steps done, this one included.
        loss: Mean over the tokens in the loss, in nats; of this step, or of all since the point before where a program
            logs seldom.
        lr: Learning rate.
        grad_norm: Norm of all gradients, before clipping.
        epoch: Epochs done.
    """

    step: int
    loss: float
    lr: float | None = None
    grad_norm: float | None = None
    epoch: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """The course of a run, by rising step. None: not known.

    Attributes:
        points: Logged training steps.
        validation: Evaluations of the validation rows; of several validation sets those of the one that decides.
        fixed_batch: Evaluations of a few rows that are not trained on, taken often: free of the noise of batches.
        weight_norms: Pairs of a step and the norm of the trained weights.
        total_steps: Steps of the whole run, of which these may be the first.
        steps_per_epoch: Optimizer steps of one epoch.
        warmup_steps: Steps over which the learning rate rises.
        vocab_size: Tokens that the model can write.
        planned_lr: Peak learning rate.
        usual_lr: The learning rate that is inferred for its model and method where none is given.
        max_grad_norm: Gradient norm at which the run clips.
        accumulated: Micro-batches of an optimizer step, of which the logged loss may be the sum; None: it is a mean.
        finished: Whether these are all steps of the run.
        ended: Whether the training is known to have returned, at its last step or before it.
        ended_by: What ended it before its last step, in words; empty: not known.
        growing: Whether it is that of a run that goes on while it is judged.
        objective: What is trained where that is not the next token, in words; empty: it is.
        source: What it was read from, in words: the trial, or a log's file.
        unlogged: Steps at the end of a whole run that a log may lack, since they are fewer than its interval.
        sampled: Whether each training loss is the last one that was logged before an evaluation, of fewer steps than
            are between two records.
        from_scratch: Whether the run is said to have begun from random weights.
        one_of_several: Whether it may be one chart of a run with several, since it has a single metric.
        validation_name: What the loss of the validation set that decides is called, where there are several or it has a
            name; empty: eval_loss.
        sets: Evaluations of the others, by the name of their loss.
    """

    points: list[Point] = field(default_factory=list)
    validation: list[Evaluation] = field(default_factory=list)
    fixed_batch: list[Evaluation] = field(default_factory=list)
    weight_norms: list[tuple[int, float]] = field(default_factory=list)
    total_steps: int | None = None
    steps_per_epoch: float | None = None
    warmup_steps: int | None = None
    vocab_size: int | None = None
    planned_lr: float | None = None
    usual_lr: float | None = None
    max_grad_norm: float | None = None
    accumulated: int | None = None
    finished: bool = False
    ended: bool = False
    ended_by: str = ""
    growing: bool = False
    objective: str = ""
    source: str = TRIAL
    unlogged: int = 0
    sampled: bool = False
    from_scratch: bool = False
    one_of_several: bool = False
    validation_name: str = ""
    sets: dict[str, list[Evaluation]] = field(default_factory=dict)

    def by_set(self) -> Iterator[tuple[str, Curve]]:
        """Yield the curve with the evaluations of each validation set, by its name; first the one that decides."""
        yield self.validation_name, replace(self, sets={})
        for name, evaluations in self.sets.items():
            yield name, replace(self, validation=evaluations, validation_name=name, sets={})
