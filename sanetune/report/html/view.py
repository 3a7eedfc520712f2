"""The content of the page as plain values, from which it is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.data.labels import IGNORE_INDEX
from sanetune.finding import Finding, Report

if TYPE_CHECKING:
    from sanetune.curves.series import Curve
    from sanetune.gate.fixer import Round
    from sanetune.probes.results import Sample
    from sanetune.report.html.evaluation import EvaluationView
    from sanetune.report.html.forecast_end import EndView
    from sanetune.report.html.gauge import Gauge
    from sanetune.report.html.over_time import AnswersAt
    from sanetune.report.html.status import Status

ROLES = ("system", "user", "assistant", "tool", "template", "end", "text", "padding", "unknown")
"""Roles of a token: the names of :class:`sanetune.evidence.token_roles.TokenRole`, and padding."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """One token of an example.

    Attributes:
        text: Its decoded text.
        id: Its id.
        label: Its label as trained; :data:`IGNORE_INDEX`: not in the loss.
        role: One of :data:`ROLES`.
    """

    text: str
    id: int
    label: int = IGNORE_INDEX
    role: str = "unknown"

    @property
    def in_loss(self) -> bool:
        """Whether the token is in the loss."""
        return self.label != IGNORE_INDEX


@dataclass(frozen=True, slots=True)
class ExampleView:
    """One example or pack with all its tokens; the page leaves out the middle of a long one and says so.

    Attributes:
        title: Its title.
        place: File and line of its row.
        split: ``train`` or ``validation``.
        tokens: Its tokens.
        number: Its number in ``split``, from 0, by which witnesses link to it.
    """

    title: str
    place: str
    split: str
    tokens: Sequence[TokenView]
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Lengths of rows before truncation.

    Attributes:
        counts: Rows in each bin: ``counts[i]`` rows have ``edges[i]`` to ``edges[i + 1] - 1`` tokens.
        edges: Tokens at the edges of the bins, one more than there are bins.
        max_length: Tokens at which examples are truncated; None: no limit.
    """

    counts: Sequence[int]
    edges: Sequence[int]
    max_length: int | None = None


@dataclass(frozen=True, slots=True)
class PackView:
    """One pack.

    Attributes:
        documents: Tokens of each document, in their order.
        capacity: Tokens that the pack may have.
        rows: Number of each document's row.
    """

    documents: Sequence[int]
    capacity: int
    rows: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class SettingView:
    """One value of the configuration and its origin.

    Attributes:
        key: ``section.key``.
        value: The value as text.
        origin: ``given``, ``override``, ``default``, ``inferred`` or ``renamed``.
        reason: Why an inferred default has this value.
        place: File and line of a given value.
    """

    key: str
    value: str
    origin: str
    reason: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """What was proved.

    Attributes:
        title: The verdict, with the level that it holds for.
        tone: ``pass``, ``warn`` or ``fail``, for the colour.
        text: When and in what time it was checked, or why it was not.
        notes: Sentences that limit it.
    """

    title: str
    tone: str
    text: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RowView:
    """A row of a step, with figures as text.

    Attributes:
        place: File and line.
        loss: Its own loss, in nats per token; "": not measured.
        grad_norm: Norm of its own gradient; "": not measured.
        text: The row as it is trained.
    """

    place: str
    loss: str
    grad_norm: str
    text: str


@dataclass(frozen=True, slots=True)
class FiredView:
    """A finding that the watch came to while the run went on.

    Attributes:
        step: Step that it is about, at which it is marked.
        finding: What was found.
        found_at: Step at which it was found.
        rows: The worst rows of that step.
        all_rows: How many rows the step has.
        weights: The weights that the rows were measured with, in words; "": they were not measured.
        reason: Why the rows are not named, or not measured.
        answers: What can be done about it.
    """

    step: int
    finding: Finding
    found_at: int = 0
    rows: Sequence[RowView] = ()
    all_rows: int = 0
    weights: str = ""
    reason: str = ""
    answers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RunView:
    """A run that is under way or over.

    Attributes:
        curve: Its losses; None: none was recorded.
        text: Its steps and losses in a sentence.
        best_step: Step of the evaluation whose weights were kept.
        seconds: How long it has taken so far; None: not known, as below.
        step_seconds: Seconds of one step, evaluations and saves left out.
        tokens_per_second: Tokens without padding per second of training steps.
        last_step: Steps that it is to make.
        status: What it came to; None: it was never begun.
        fired: What the watch found while it went on.
        samples: Prompts with the answers of base and tuned model.
        samples_text: Figures of all answers in a sentence.
        findings: What its curve shows that asks for something to be done, worst first.
        over_time: Answers to the same prompts at its evaluations.
        end: How it is forecast to end.
        gauge: What its model has forgotten.
        forgets: What model-forgets found at its end, where that asks for something to be done.
        evaluation: What lm-eval measured of its models.
        answer_limit: Tokens at which its answers were truncated; None: not known.
        answer_notes: What `sanetune compare` says of the models that gave the answers, one sentence each.
    """

    curve: Curve | None = None
    text: str = ""
    best_step: int | None = None
    seconds: float | None = None
    step_seconds: float | None = None
    tokens_per_second: float | None = None
    last_step: int | None = None
    status: Status | None = None
    fired: Sequence[FiredView] = ()
    samples: Sequence[Sample] = ()
    samples_text: str = ""
    findings: Sequence[Finding] = ()
    over_time: Sequence[AnswersAt] = ()
    end: EndView | None = None
    gauge: Gauge | None = None
    forgets: Finding | None = None
    evaluation: EvaluationView | None = None
    answer_limit: int | None = None
    answer_notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PageView:
    """Everything on the page; empty parts are left out.

    Attributes:
        report: The findings.
        examples: Examples whose tokens are shown.
        histogram: Lengths of the rows.
        packs: The first packs.
        settings: Every value of the configuration.
        versions: Package -> version.
        title: Title of the page.
        heading: What was proved; None: what ``report`` says.
        rounds: The rounds of ``check --fix``; ``report`` is from the last.
        experiments_note: When the results of the experiments were made, if not now.
        run: The run that was trained.
        no_findings: What is said where ``report`` has none.
    """

    report: Report
    examples: Sequence[ExampleView] = ()
    histogram: Histogram | None = None
    packs: Sequence[PackView] = ()
    settings: Sequence[SettingView] = ()
    versions: dict[str, str] = field(default_factory=dict)
    title: str = "sanetune"
    heading: Heading | None = None
    rounds: Sequence[Round] = ()
    experiments_note: str = ""
    run: RunView | None = None
    no_findings: str = "Nothing was checked."
