"""Results of a sweep, as they are stored and shown, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, Literal

from sanetune.curves.paired import PairedDifference, paired_difference
from sanetune.curves.proportions import holm
from sanetune.curves.series import Evaluation
from sanetune.typed_json import from_json
from sanetune.workflows.sweep.space import ADAPTER, LR, short_name

SCHEMA = 1
ALPHA = 0.05
"""Two trials are told apart where chance would make a difference as large as theirs in fewer than so many cases."""

State = Literal["done", "diverged", "pruned"]


@dataclass(frozen=True, slots=True)
class SweepTrial:
    """One short run of a sweep.

    Attributes:
        key: Digest of all that decides how it goes.
        changes: ``section.key`` -> value: what it changes of the configuration.
        lr: Its peak learning rate.
        planned_steps: Optimizer steps that it was given.
        steps: Optimizer steps that it made.
        state: Whether it made all its steps; if not, why.
        reason: Why it ended early, in words; "": it did not.
        losses: Training loss of each step, in nats per token in the loss.
        curve: Pairs of a step and the loss of the fixed evaluation batch.
        evaluation: Evaluation of the validation rows after its last step.
        seconds: How long it took.
    """

    key: str
    changes: dict[str, Any]
    lr: float
    planned_steps: int
    steps: int
    state: State
    reason: str = ""
    losses: list[float] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)
    evaluation: Evaluation = field(default_factory=lambda: Evaluation(0, math.nan))
    seconds: float = 0.0

    @property
    def loss(self) -> float:
        """Validation loss after the last step, in nats per token in the loss."""
        return self.evaluation.loss

    @property
    def comparable(self) -> bool:
        """Whether it made all its steps and ended with a finite loss."""
        return self.state == "done" and math.isfinite(self.loss)

    @property
    def label(self) -> str:
        """What it changes, in words.

        >>> SweepTrial("", {"train.learning_rate": 1e-05, "model.adapter": None}, 1e-05, 5, 5, "done").label
        'learning_rate=1e-05, adapter=none'
        """
        shown = {short_name(key): value for key, value in self.changes.items()}
        return ", ".join(f"{name}={'none' if value is None else value}" for name, value in shown.items()) or "as given"


@dataclass(frozen=True, slots=True)
class Against:
    """How much higher another trial's validation loss is than the best one's.

    Attributes:
        trial: The other trial.
        difference: Over the same rows, in nats per token; None: fewer than two rows.
        p: Chance of a difference as large between any two of the trials, corrected for all pairs of them (Holm): the
            best one was picked by the same rows, so that it could have been any.
    """

    trial: SweepTrial
    difference: PairedDifference | None
    p: float

    @property
    def differs(self) -> bool:
        """Whether chance alone hardly makes the difference."""
        return self.p < ALPHA

    @property
    def interval_alone(self) -> bool:
        """Whether its own interval leaves 0 out, while the correction for all pairs does not tell it apart."""
        if self.difference is None or self.differs:
            return False
        low, high = self.difference.interval()
        return low > 0 or high < 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """All trials of a sweep.

    Attributes:
        trials: In the order in which they were planned.
        start: Evaluation of the validation rows before any step.
        steps: Optimizer steps of each trial.
        total_steps: Optimizer steps of the whole run.
        split: Split of the rows that trials are compared on; "train": training rows that were held out.
        folder: Where it is stored.
        fixed: ``section.key=value`` that all trials share.
        critical_lr: The critical learning rate, where it was measured.
        probe_steps: What measuring it took, in optimizer steps.
        notes: Sentences that the user should be told.
    """

    trials: list[SweepTrial]
    start: Evaluation
    steps: int
    total_steps: int
    split: str = "validation"
    folder: str = ""
    fixed: list[str] = field(default_factory=list)
    critical_lr: float | None = None
    probe_steps: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def ranked(self) -> list[SweepTrial]:
        """The trials that made all their steps, lowest loss first."""
        return sorted((one for one in self.trials if one.comparable), key=lambda one: one.loss)

    @property
    def best(self) -> SweepTrial | None:
        """The trial with the lowest validation loss; None where none made all its steps."""
        return next(iter(self.ranked), None)

    def against_best(self) -> list[Against]:
        """Return the other trials that made all their steps, lowest loss first, each compared with the best."""
        if not self.ranked:
            return []
        best, *others = self.ranked
        differences = [paired_difference(one.evaluation, best.evaluation) for one in others]
        # Those with the best come first among the pairs.
        among_others = [paired_difference(two.evaluation, one.evaluation) for one, two in combinations(others, 2)]
        ps = holm([1.0 if one is None else one.p for one in (*differences, *among_others)])
        return [Against(*one) for one in zip(others, differences, ps[: len(others)], strict=True)]

    @property
    def ties(self) -> list[SweepTrial]:
        """The trials that the rows do not tell apart from the best."""
        return [one.trial for one in self.against_best() if not one.differs]

    @property
    def verdict(self) -> str:
        """What the sweep has found, in one sentence.

        >>> Sweep([], Evaluation(0, 2.0), 40, 400).verdict
        'no trial made all its steps'
        """
        best, ties = self.best, self.ties
        if best is None:
            return "no trial made all its steps"
        if len(self.ranked) == 1:
            return f"{best.label} is the only trial that made all its steps"
        if not ties:
            return f"{best.label} is best"
        more = f" and {len(ties) - 1} more" if len(ties) > 1 else ""
        return f"{best.label} has the lowest loss, but is not told apart from {ties[0].label}{more}"

    @property
    def edge(self) -> Literal["lowest", "highest", ""]:
        """Whether the best learning rate is the lowest or highest that its method was tried with; then the best may lie
        beyond."""
        method = None if self.best is None else _method(self.best)
        lrs = sorted({one.lr for one in self.trials if LR in one.changes and _method(one) == method})
        if self.best is None or len(lrs) < 2 or self.best.lr not in (lrs[0], lrs[-1]):
            return ""
        return "lowest" if self.best.lr == lrs[0] else "highest"

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``sweep.json``, with what follows from the trials; whoever writes it spells its NaN."""
        best = self.best
        return {
            "schema": SCHEMA,
            **asdict(self),
            "verdict": self.verdict,
            "best": None if best is None else {"changes": best.changes, "loss": best.loss},
            "against_best": [_against(one) for one in self.against_best()],
            "edge": self.edge,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Sweep:
        """Read what :func:`sanetune.atomic.write_json` has written of :meth:`to_json`.

        Raises:
            ValueError: It does not fit.
        """
        return from_json(cls, dict(plain))


def _method(trial: SweepTrial) -> list[Any]:
    """What a trial changes of how it trains: methods want different learning rates."""
    return [trial.changes.get(key, "as given") for key in (ADAPTER, "model.quantization")]


def _against(one: Against) -> dict[str, Any]:
    found: dict[str, Any] = {"changes": one.trial.changes, "p": one.p, "differs": one.differs}
    if one.difference is not None:
        low, high = one.difference.interval()
        found |= {"difference": one.difference.mean, "low": low, "high": high, "rows": one.difference.n}
    return found
