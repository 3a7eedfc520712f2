"""A report's proof as values again: its plain form, which files keep, has "NaN" and "Infinity" as texts and may have
been edited by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

if TYPE_CHECKING:
    from sanetune.forecast.forecast import Forecast
    from sanetune.probes.results import Samples

Whole = Annotated[int, Field(ge=0, le=10**12)]
StepLosses = list[float]
Looks = list[tuple[Whole, float]]
"""(step, loss) of each look at rows that are not trained on."""

LARGEST = 1e9
"""A number beyond this is drawn like one that is infinite."""
FAR = 3.0
"""A curve is drawn up to this many times its first value or its median, whichever is more; what is above it is said."""


@dataclass(frozen=True, slots=True)
class OverfitAttempt:
    """``losses`` before each step at ``rate``, and after the last."""

    rate: float
    losses: StepLosses

    @property
    def steps(self) -> int:
        return max(0, len(self.losses) - 1)

    @property
    def end(self) -> float:
        return self.losses[-1] if self.losses else math.nan


@dataclass(frozen=True, slots=True)
class Reply:
    """What greedy decoding gives for one learnt example, beside what was taught."""

    prompt: str
    expected: str
    written: str
    same: bool
    agreed: Whole
    wanted: Whole
    ended: bool


@dataclass(frozen=True, slots=True)
class Overfit:
    """Few examples, by heart: tries at the test's own rates, and at the planned one where that is another."""

    examples: Whole
    loss_tokens: Whole
    wanted: float
    tries: list[OverfitAttempt]
    planned: OverfitAttempt | None = None
    replies: list[Reply] = field(default_factory=list)

    @property
    def best(self) -> OverfitAttempt:
        """The lowest end; one that is not a number is never the best."""
        return min(self.tries, key=lambda one: ordered(one.end), default=OverfitAttempt(math.nan, []))

    @property
    def same(self) -> int:
        """Answers that are given back word for word."""
        return sum(one.same for one in self.replies)


@dataclass(frozen=True, slots=True)
class LearningRateRun:
    """Some steps at ``rate``, and the loss on held-out rows after them."""

    rate: float
    held_loss: float
    losses: StepLosses = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LearningRateComparison:
    """From the same start on the same batches, by rising rate."""

    planned: float
    steps: Whole
    start_loss: float
    branches: list[LearningRateRun]

    @property
    def best(self) -> LearningRateRun | None:
        """The lowest held-out loss; None where none is a number."""
        some = [one for one in self.branches if math.isfinite(one.held_loss)]
        return min(some, key=lambda one: one.held_loss, default=None)

    def notes(self, one: LearningRateRun) -> list[str]:
        """``planned`` and ``best``, where it is."""
        planned = math.isclose(one.rate, self.planned, rel_tol=1e-6)
        return ["planned"] * planned + ["best"] * (one is self.best)


@dataclass(frozen=True, slots=True)
class Curve:
    """The trial's course. ``rates`` and ``grad_norms``: None where they were not logged."""

    steps: list[Whole]
    losses: StepLosses
    rates: list[float | None] = field(default_factory=list)
    grad_norms: list[float | None] = field(default_factory=list)
    held: Looks = field(default_factory=list)
    probe: Looks = field(default_factory=list)
    total_steps: Whole | None = None
    planned_rate: float | None = None

    @property
    def training(self) -> Looks:
        """(step, loss) of each step."""
        return list(zip(self.steps, self.losses, strict=False))

    @property
    def norms(self) -> Looks:
        """(step, gradient norm) of each step that has one."""
        pairs = zip(self.steps, self.grad_norms, strict=False)
        return [(step, norm) for step, norm in pairs if norm is not None]

    @property
    def peak(self) -> tuple[int, float] | None:
        """The first step at the highest rate, and that rate."""
        known = [(step, rate) for step, rate in zip(self.steps, self.rates, strict=False) if rate and real(rate)]
        return max(known, key=lambda one: (one[1], -one[0]), default=None)

    @property
    def last(self) -> int:
        """The last step of anything."""
        return max([1, *self.steps, *(step for step, _ in (*self.held, *self.probe))])


@dataclass(frozen=True, slots=True)
class Trial:
    """The first steps of the real run. ``held_from``: "train" where held-out rows had to be kept aside for it."""

    wanted: Whole
    done: Whole
    curve: Curve
    stopped: str = ""
    held_from: str = "validation"


@dataclass(frozen=True, slots=True)
class Proof:
    """What of it was made; ``broken`` names the parts that cannot be read."""

    overfit: Overfit | None = None
    branches: LearningRateComparison | None = None
    trial: Trial | None = None
    samples: Samples | None = None
    forecast: Forecast | None = None
    broken: Sequence[str] = ()

    def __bool__(self) -> bool:
        return any((self.overfit, self.branches, self.trial, self.samples, self.forecast, self.broken))


def read(plain: Mapping[str, Any]) -> Proof:
    """``plain`` as values; a part that is not what it should be is left out and named."""
    from pydantic import TypeAdapter, ValidationError

    parts: dict[str, Any] = {}
    broken = []
    for name, kind in _kinds(plain).items():
        try:
            parts[name] = TypeAdapter(kind).validate_python(plain[name])
        except (ValidationError, RecursionError):
            broken.append(name)
    return Proof(**parts, broken=broken)


def _kinds(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The type of each part that is there. Samples and forecast are what they were before they were made plain."""
    kinds: dict[str, Any] = {"overfit": Overfit, "branches": LearningRateComparison, "trial": Trial}
    if "samples" in plain:
        from sanetune.probes.results import Samples

        kinds["samples"] = Samples
    if "forecast" in plain:
        from sanetune.forecast.forecast import Forecast

        kinds["forecast"] = Forecast
    return {name: kind for name, kind in kinds.items() if name in plain}


def real(value: float) -> bool:
    """Whether it can be drawn."""
    return math.isfinite(value) and abs(value) <= LARGEST


def ordered(value: float) -> float:
    """``value`` for a comparison in which less is better and what is no number is worst."""
    return value if math.isfinite(value) else math.inf


def bounds(values: Sequence[float], least: float | None = None) -> tuple[float, float] | None:
    """The lowest and highest value of a drawing (the lowest at most ``least``), less what is far above the others: one
    step that went wrong would flatten all. None: nothing can be drawn."""
    some = [value for value in values if real(value)]
    if not some:
        return None
    middle = sorted(some)[len(some) // 2]
    high = min(max(some), FAR * max(some[0], middle)) if max(some[0], middle) > 0 else max(some)
    low = min(min(some), high)
    return (min(low, least) if least is not None and real(least) else low), high


def words(loss: float) -> str:
    """A loss as people read it."""
    if math.isnan(loss):
        return "not a number"
    if math.isinf(loss):
        return "infinite"
    if abs(loss) >= 100:
        return f"{loss:,.0f}" if abs(loss) < 1e6 else f"{loss:.3g}"
    return f"{loss:.3f}" if abs(loss) >= 0.1 else f"{loss:.3g}"
