"""What a model has forgotten, as a gauge: prompts that it still answers well, and its loss on texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.model.forgets import LIMITS
from sanetune.errors import RunError
from sanetune.probes.results import Forgetting
from sanetune.probes.results.forgetting import names_of
from sanetune.report.terminal.forgetting import WHOLE_RISE, numbers_of
from sanetune.typed_json import from_json

if TYPE_CHECKING:
    from sanetune.evidence.experiments import Experiments
    from sanetune.runs import Run

FORGETS = "model-forgets"
"""The check whose measurement it shows."""
WIDTH = 240
"""Width of a bar in units of its view box."""


@dataclass(frozen=True, slots=True)
class GaugeBar:
    """One measure of what is kept.

    Attributes:
        name: What is measured.
        words: Its figures.
        share: Fraction of the bar that is full: all of it where nothing is forgotten.
        limit: Fraction below which it is called forgotten.
        is_bad: Whether it is.
    """

    name: str
    words: str
    share: float
    limit: float
    is_bad: bool

    @property
    def full(self) -> float:
        """Width of the full part, in units of the view box."""
        return round(WIDTH * self.share, 1)

    @property
    def mark(self) -> float:
        """Place of the limit, in the same units."""
        return round(WIDTH * self.limit, 1)


@dataclass(frozen=True, slots=True)
class Gauge:
    """What a model has forgotten.

    Attributes:
        bars: What could be measured.
        text: After how many steps, and how far the model is from its base, in a sentence.
    """

    bars: Sequence[GaugeBar]
    text: str


def gauge_of(run: Run | None, experiments: Experiments, limits: Mapping[str, float] | None = None) -> Gauge | None:
    """Return the gauge of a run's end, or of its trial; None where too little was measured.

    Args:
        run: The run; None: a check alone.
        experiments: Those behind its clearance.
        limits: Those of model-forgets that the user has changed (shares of prompts, nats per token, counts).
    """
    found = (_of_run(run) if run else None) or experiments.forgetting
    if found is None:
        return None
    numbers = numbers_of(found)
    limits = {name: one.value for name, one in LIMITS.items()} | dict(limits or {})
    bars = [one for one in (_answers(numbers, limits), _texts(numbers, limits)) if one]
    return Gauge(bars, _text(numbers)) if bars else None


def _of_run(run: Run) -> Forgetting | None:
    try:
        plain = run.read_json(run.forgetting).get("forgetting") if run.forgetting.is_file() else None
        return None if plain is None else from_json(Forgetting, plain)
    except (RunError, OSError, ValueError):
        return None


def _answers(n: Mapping[str, Any], limits: Mapping[str, float]) -> GaugeBar | None:
    able = n.get("base_answered") or 0
    if able < limits["fewest_answers"]:
        return None
    gone, gained, limit = n["no_longer"], n["gained"], limits["answers"]
    words = f"{able - gone:,} of {able:,}" + (f", {gained:,} gained" if gained else "")
    is_bad = (gone - gained) / able >= limit and bool(n["rarer"])
    return GaugeBar(f"{names_of(n['source'])[0]} answered well", words, (able - gone) / able, 1 - limit, is_bad)


def _texts(n: Mapping[str, Any], limits: Mapping[str, float]) -> GaugeBar | None:
    rise = n.get("text_rise")
    if rise is None or n["texts"] < limits["fewest_texts"]:
        return None
    limit, error = limits["rise"], n.get("text_error")
    spread = f" ± {error:.3f}" if error is not None and math.isfinite(error) else ""
    words = f"{rise:+.3f}{spread} nats per token"
    share = min(1.0, max(0.0, 1 - rise / WHOLE_RISE)) if math.isfinite(rise) else 0.0
    is_bad = not math.isfinite(rise) or (rise >= limit and n["text_errors"] >= limits["errors"])
    return GaugeBar(f"loss on {names_of(n['source'])[1]}", words, share, 1 - limit / WHOLE_RISE, is_bad)


def _text(n: Mapping[str, Any]) -> str:
    far = ""
    if n.get("answers_kl") is not None:
        task = f", {n['task_kl']:.2f} on the task" if n.get("task_kl") is not None else ""
        far = f"; KL from the base {n['answers_kl']:.2f} on its own answers{task}"
    return f"after {units.many(n['steps'], 'step')}{far}"
