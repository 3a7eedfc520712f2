"""The experiments that a check has run, in one bundle that goes to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sanetune.forecast.forecast import Forecast
from sanetune.forecast.outcome import OutcomeForecast
from sanetune.probes.results import Forgetting, LearningRateComparison, Overfit, Samples, Trial
from sanetune.typed_json import from_json, to_json

if TYPE_CHECKING:
    from sanetune.evidence.registry import Evidence

SCHEMA = 2
"""Of the JSON form; it changes with a field of any result. 1 had fewer fields under other names."""


@dataclass(frozen=True, slots=True)
class Experiments:
    """What each experiment found; None: it was not run.

    Attributes:
        overfit: Whether a few examples can be memorised.
        lr_comparison: Short runs at several learning rates.
        trial: The first steps of the real run.
        samples: Answers before and after the trial.
        forecast: What the whole run will take.
        outcome: How the whole run will end.
        forgetting: What the model has forgotten at the end of the trial.
        broken: Names of the parts that could not be read.
    """

    overfit: Overfit | None = None
    lr_comparison: LearningRateComparison | None = None
    trial: Trial | None = None
    samples: Samples | None = None
    forecast: Forecast | None = None
    outcome: OutcomeForecast | None = None
    forgetting: Forgetting | None = None
    broken: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return any(getattr(self, one.name) for one in fields(self))

    @classmethod
    def of(cls, evidence: Evidence) -> Experiments:
        """Those whose evidence was built; none is run for it."""
        return cls(**{name: evidence.ready(name) for name in PARTS})

    def to_json(self) -> dict[str, Any]:
        """The parts that there are, by name; see :func:`sanetune.typed_json.to_json`."""
        return {name: to_json(part) for name in PARTS if (part := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, plain: Mapping[str, object]) -> Experiments:
        """The parts in ``plain``, which may be a stranger's: one that does not fit its type is left out and named."""
        parts: dict[str, Any] = {}
        broken = []
        for name, kind in PARTS.items():
            try:
                parts |= {name: from_json(kind, plain[name])} if name in plain else {}
            except ValueError:
                broken.append(name)
        return cls(**parts, broken=tuple(broken))


PARTS: Mapping[str, type] = {
    "overfit": Overfit,
    "lr_comparison": LearningRateComparison,
    "trial": Trial,
    "samples": Samples,
    "forecast": Forecast,
    "outcome": OutcomeForecast,
    "forgetting": Forgetting,
}
"""Name of the evidence, which is the key in JSON too, and its type."""
