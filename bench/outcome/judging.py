"""Forecasts beside the truth: each data set is judged by a calibration that has none of its runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from bench.outcome.bounds import bounds
from bench.outcome.fitting import (
    AFTER,
    AFTER_TRIAL,
    TINY,
    USUAL,
    Kind,
    Seen,
    fitted,
    parts,
    seen_of_all,
    without,
)
from bench.outcome.public import AFTER as AFTER_PUBLIC
from bench.outcome.public import PublicRun, with_losses_to_reach
from bench.outcome.public import seen as seen_publicly
from bench.outcome.table import WholeRun
from sanetune.forecast.outcome import own_limit
from sanetune.forecast.outcome_calibration import Calibration

LEAST = 0.5
"""Final loss in nats below which an error in per cent says little."""
QUARTER = AFTER[1]
"""The share of a brief run after which set-ups are shown one by one; of a long one it is its trial."""

Figures = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Judged:
    """A run after a share of its steps, forecast by a calibration that does not know its data set."""

    seen: Seen
    low: float
    middle: float
    high: float
    failing: float
    condemned: bool
    on_track: bool

    @property
    def failed(self) -> bool:
        """Whether the run failed in the end."""
        return bool(self.seen.failure)

    @property
    def turned(self) -> bool:
        """Whether the run ended clearly above its own lowest evaluation."""
        return self.final > own_limit(min(self.seen.run.losses))

    @property
    def final(self) -> float:
        """The loss at its end, in nats; NaN where it broke off."""
        return self.seen.run.final


def judge(runs: Sequence[WholeRun], logs: Sequence[PublicRun]) -> Figures:
    """The figures of the bench: of public runs, and of the long and the brief ones of tiny models."""
    brief, long = parts(runs)
    tiny = list(_judged(seen_of_all(runs), TINY))
    public = list(_judged(seen_publicly(logs), USUAL))
    return {
        "public": _of_public(logs, public, fitted(seen_of_all(runs))),
        "long": _of_part(long, [one for one in tiny if one.seen.run.is_long], AFTER_TRIAL, AFTER_TRIAL[0]),
        "brief": _of_part(brief, [one for one in tiny if not one.seen.run.is_long], AFTER, QUARTER),
    }


def _of_part(runs: Sequence[WholeRun], judged: Sequence[Judged], after: Sequence[float], shown: float) -> Figures:
    """The figures of one part; set-ups one by one at the stage ``shown``."""
    then = [one for one in judged if one.seen.stage == shown]
    return {
        "runs": len(runs),
        "set_ups": len({run.setup for run in runs}),
        **_by_stage(judged, after),
        "data": _groups(then, lambda one: one.seen.run.setup[1]),
        "models": _groups(then, lambda one: one.seen.run.setup[0]),
        "failures": _groups([one for one in then if one.failed], lambda one: one.seen.failure),
        "faults": _groups(then, lambda one: one.seen.run.fault or "none injected"),
        "bounds": [{"name": _name(stage)} | one for stage, one in zip(after, bounds(runs, after), strict=True)],
    }


def _of_public(logs: Sequence[PublicRun], judged: Sequence[Judged], tiny: Calibration) -> Figures:
    """The figures of public runs, and how far off the calibration of tiny models would be."""
    found = _by_stage(judged, AFTER_PUBLIC)
    for row in found["after"]:
        some = [one for one in judged if _name(one.seen.stage) == row["name"]]
        middles = ((one, math.exp(tiny.expected(one.seen.signs).centre)) for one in some)
        row["error_tiny"] = _middle(abs(middle / one.final - 1) for one, middle in middles)
    return {"runs": len(logs), **found}


def _by_stage(judged: Sequence[Judged], after: Sequence[float]) -> Figures:
    sound = [one for one in judged if _usual(one)]
    steady = [one for one in sound if not one.turned]
    return {name: _after(some, after) for name, some in (("after", judged), ("sound", sound), ("steady", steady))}


def _after(some: Sequence[Judged], after: Sequence[float]) -> list[Figures]:
    return [{"name": _name(stage)} | _figures([one for one in some if one.seen.stage == stage]) for stage in after]


def _name(stage: float) -> str:
    return f"{stage:.0%}" if stage else "its trial"


def _usual(one: Judged) -> bool:
    """Whether nothing was injected and the run ends above the loss below which a share of it means little."""
    return not one.seen.run.fault and one.final > LEAST


def _judged(some: Sequence[Seen], kind: Kind) -> Iterator[Judged]:
    for data in sorted({one.run.setup[1] for one in some}):
        others = without(some, data)
        known = fitted(with_losses_to_reach(others) if kind is USUAL else others, kind)
        for one in some:
            if one.run.setup[1] != data:
                continue
            expected = known.expected(one.signs)
            failing = known.chance_of_failing(one.signs, expected, one.there)
            stage = known.stage(one.share)
            yield Judged(one, *stage.interval(expected), failing, failing >= stage.fails, failing <= stage.on_track)


def _groups(some: Sequence[Judged], name: Callable[[Judged], str]) -> list[Figures]:
    names = sorted({name(one) for one in some})
    return [{"name": each} | _figures([one for one in some if name(one) == each]) for each in names]


def _figures(some: Sequence[Judged]) -> Figures:
    ended = [one for one in some if math.isfinite(one.final)]
    bad, good = [one for one in some if one.failed], [one for one in some if not one.failed]
    return {
        "runs": len(some),
        "covered": _mean(one.low <= one.final <= one.high for one in ended),
        "error": _middle(abs(one.middle / one.final - 1) for one in ended),
        "error_nats": _middle(abs(one.middle - one.final) for one in ended),
        "error_last_nats": _middle(abs(one.seen.signs.last - one.final) for one in ended),
        "error_law": _middle(abs(_law(one) / one.final - 1) for one in ended),
        "error_last": _middle(abs(one.seen.signs.last / one.final - 1) for one in ended),
        "width": _middle(one.high / one.low - 1 for one in ended),
        "failing": len(bad),
        "caught": sum(one.condemned for one in bad),
        "missed": sum(one.on_track for one in bad),
        "likely_caught": sum(one.failing >= 0.5 for one in bad),
        "good": len(good),
        "condemned": sum(one.condemned for one in good),
        "on_track": sum(one.on_track for one in good),
        "likely_condemned": sum(one.failing >= 0.5 for one in good),
        "saved": _saved(bad),
    }


def _law(one: Judged) -> float:
    """The final loss as the law alone has it."""
    return one.seen.signs.last * math.exp(one.seen.signs.values["fall"])


def _saved(bad: Sequence[Judged]) -> float | None:
    """The share of the steps of failing runs that are not made if those that are caught end there."""
    steps = sum(one.seen.run.steps for one in bad)
    left = sum(one.seen.run.steps * (1 - one.seen.run.share(one.seen.stage)) for one in bad if one.condemned)
    return left / steps if steps else None


def _mean(values: Iterable[bool]) -> float | None:
    found = [float(one) for one in values]
    return fmean(found) if found else None


def _middle(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None
