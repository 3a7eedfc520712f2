"""What a comparison of models has found, as it is stored and shown, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from sanetune.atomic import name_non_finite
from sanetune.curves.documents import DocumentLosses
from sanetune.curves.paired import PairedDifference
from sanetune.curves.proportions import changed, holm, sign_test, wilson
from sanetune.data.conversation import Message
from sanetune.engine.answer import Answer
from sanetune.typed_json import from_json
from sanetune.workflows.evaluating.result import ModelScores
from sanetune.workflows.evaluating.weights import WeightsStamp

SCHEMA = 2
"""Raised with every change after which earlier answers are others. 2: the limit on an answer depends on no batch."""
ALPHA = 0.05
"""A measure counts as different where chance would make a difference as large in fewer than so many cases, corrected
for the number of measures (Holm)."""

Verdict = Literal["better", "worse", "mixed", "no difference shown"]


@dataclass(frozen=True, slots=True)
class AskedPrompt:
    """A prompt that every model answers.

    Attributes:
        messages: The conversation up to the answer.
        reference: The answer in the data, its calls of tools as JSON below its text; None: a prompt of the user's own.
        split: Split of its row; None: a prompt of the user's own.
        number: Number of the row in its split, from 0.
    """

    messages: list[Message]
    reference: str | None = None
    split: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One of the models.

    Attributes:
        name: What it is called in tables.
        path: Folder or id.
        answers: One for each prompt.
        losses: Of the validation documents; None: there are none.
        marks: Measure -> for each prompt whether its answer has it; None: the measure does not apply to it.
        repeated: Mean proportion of four-word runs that stood in the same answer before.
        weights: Which weights were asked; None: an earlier version did not write it down.
    """

    name: str
    path: str
    answers: list[Answer]
    losses: DocumentLosses | None = None
    marks: dict[str, list[bool | None]] = field(default_factory=dict)
    repeated: float = 0.0
    weights: WeightsStamp | None = None

    @property
    def asked(self) -> list[Answer]:
        """The answers, without those to prompts that could not be asked."""
        return [one for one in self.answers if not one.note]

    @property
    def tokens(self) -> float:
        """Tokens of an answer, on average; NaN without answers."""
        return sum(one.tokens for one in self.asked) / len(self.asked) if self.asked else math.nan

    def count(self, measure: str) -> tuple[int, int]:
        """Return how many answers have ``measure``, of how many that it applies to."""
        some = [mark for mark in self.marks.get(measure, ()) if mark is not None]
        return sum(some), len(some)

    def interval(self, measure: str) -> tuple[float, float]:
        """Return the 95 % interval of the proportion of answers that have ``measure``."""
        return wilson(*self.count(measure))


@dataclass(frozen=True, slots=True)
class Change:
    """One measure of two models.

    Attributes:
        measure: Its name; "validation loss" is the loss per token.
        better: Prompts whose second answer has it while the first has it not (the other way round for a fault).
        worse: The reverse.
        p: Chance of a difference as large, corrected for the number of measures.
        direction: 1: the second model is better, -1: it is worse, 0: no difference is shown.
    """

    measure: str
    better: int
    worse: int
    p: float
    direction: int


@dataclass(frozen=True, slots=True)
class Pair:
    """The second model judged beside the first.

    Attributes:
        first: Number of the one, from 0.
        second: Number of the other.
        loss: How much higher the validation loss of the second is, over the same documents.
        changes: Each measure.
    """

    first: int
    second: int
    loss: PairedDifference | None
    changes: list[Change]

    @property
    def verdict(self) -> Verdict:
        """Whether the second model is better: in some measure, and worse in none."""
        directions = {one.direction for one in self.changes}
        if {1, -1} <= directions:
            return "mixed"
        return "better" if 1 in directions else "worse" if -1 in directions else "no difference shown"

    def named(self, direction: int) -> list[str]:
        """Return the measures that changed in ``direction``: a factor of 1 for better, -1 for worse."""
        return [one.measure for one in self.changes if one.direction == direction]


LOSS = "validation loss"
FAULTS = ("repeats itself",)
"""Measures of which fewer are better."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Several models on the same prompts and documents.

    Attributes:
        prompts: The user's own first.
        models: The first is the one that the others are judged beside.
        max_new_tokens: Limit on the tokens of an answer; a long prompt may leave less room in the model's context.
        formats: Formats that the training answers share, in words.
        evaluation: What `lm-eval` measured of the models as they are now, by name of the model.
        evaluation_note: What it measured of other weights, in words; "": nothing.
        stop_token_ids: Ids of the tokens that end an answer.
        notes: Sentences that the user should be told.
        schema: Under which the models were asked.
    """

    prompts: list[AskedPrompt]
    models: list[Model]
    max_new_tokens: int = 0
    formats: list[str] = field(default_factory=list)
    evaluation: dict[str, ModelScores] = field(default_factory=dict)
    evaluation_note: str = ""
    stop_token_ids: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def pairs(self) -> list[Pair]:
        """Each other model beside the first."""
        return [pair(self.models, 0, number) for number in range(1, len(self.models))]

    def figures(self) -> dict[str, Any]:
        """Return all of it as plain values, with what follows from it; floats as they are, NaN too."""
        judged = []
        for one in self.pairs:
            found: dict[str, Any] = asdict(one) | {"verdict": one.verdict}
            if one.loss is not None:
                found["loss"] = {**asdict(one.loss), "interval": list(one.loss.interval()), "p": one.loss.p}
            judged.append(found)
        return {"schema": self.schema, **asdict(self), "judged": judged}

    def to_json(self) -> dict[str, Any]:
        """Return :meth:`figures` as files of a run have them: see :func:`sanetune.atomic.name_non_finite`."""
        return cast("dict[str, Any]", name_non_finite(self.figures()))

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Compared:
        """Read what :meth:`to_json` returned.

        Raises:
            ValueError: It does not fit.
        """
        return from_json(cls, dict(plain))


def _broken(model: Model) -> int:
    """1 where the validation loss of ``model`` is no number: such a model is worse than any other."""
    return int(model.losses is not None and not math.isfinite(model.losses.loss))


def pair(models: list[Model], first: int, second: int) -> Pair:
    """Judge the model numbered ``second`` beside the one numbered ``first``."""
    one, other = models[first], models[second]
    loss = other.losses.over(one.losses) if one.losses is not None and other.losses is not None else None
    found: list[tuple[str, int, int, float, int]] = []
    if loss is not None and math.isfinite(loss.mean):
        found.append((LOSS, 0, 0, loss.p, -1 if loss.mean > 0 else 1))
    elif loss is not None and (broken := _broken(other) - _broken(one)):
        found.append((LOSS, 0, 0, 0.0, -broken))
    for measure in (name for name in one.marks if name in other.marks):
        marks = zip(one.marks[measure], other.marks[measure], strict=True)
        better, worse = changed((a, b) for a, b in marks if a is not None and b is not None)
        if measure in FAULTS:
            better, worse = worse, better
        found.append((measure, better, worse, sign_test(better, worse), 1 if better > worse else -1))
    corrected = holm([p for *_, p, _ in found])
    changes = [
        Change(measure, better, worse, p, sign if p < ALPHA else 0)
        for (measure, better, worse, _, sign), p in zip(found, corrected, strict=True)
    ]
    return Pair(first, second, loss, changes)
