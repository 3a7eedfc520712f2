"""Losses and gradient norms that stand far above their neighbours on both sides."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sanetune.checks.base import Limit, Limits
from sanetune.curves.early_rise import EARLY_SOURCE, EARLY_SURE, early_rise
from sanetune.curves.humps import Hump, highest_hump, hump_in_few, known_better_through, widened
from sanetune.curves.robust import relative_noise, smooth
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.curves.tails import beyond_tail
from sanetune.curves.valley import valley_scatter

LIMITS = {
    "times": Limit(1.8, "times the neighbours' median (logs/wild; LLM Foundry: 2 for more than four steps)"),
    "least": Limit(0.15, "nats beside that; a loss near 0 may double without harm"),
    "sure": Limit(8.0, "standard deviations of batch noise beside that: OLMo-core's 6, and heavier tails than normal"),
    "log_sure": Limit(3.5, "of the logarithm, beside that: batches that scatter by more than half of their loss do so"
                           " as ratios. Bad batches of short runs had 3.6 and more, hard ones up to 3.8"
                           " (docs/curves.md, part A)"),
    "expected": Limit(0.01, "runs as far out in a log whose noise has such tails, beside that"),
    "confirmed_norm": Limit(4.0, "times its neighbours, a gradient norm that confirms a spike of the loss"),
    "norm_times": Limit(10.0, "times its neighbours, a gradient norm that is a spike by itself"),
    "beside_times": Limit(1.5, "times both records beside it, a mean of several steps whose gradient norm is a spike by"
                               " itself: 1.78 in one of 173 public logs that have norms, elsewhere 1.2 at most"
                               " where losses are not near 0 (bench.curves.unseen)"),
    "beside_sure": Limit(8.0, "standard deviations of the logarithms of all records, beside that: batches whose losses"
                              " scatter by half of them have gradient norms that do so too"),
    "validation_least": Limit(0.05, "nats, likewise for the validation loss, which has no noise of batches"),
    "validation_sure": Limit(5.0, "standard deviations of the other evaluations, beside that"),
    "hump_times": Limit(1.5, "times the lowest loss on both sides, a rise of three or more records that comes back"),
    "hump_sure": Limit(8.0, "standard deviations of the running median, beside that: the lowest of many is low by"
                             " chance, the highest high"),
    "hump_log_sure": Limit(6.0, "of its logarithm, beside that: 7.4 and more in bad batches of short runs, 5.4 in"
                                " healthy ones (docs/curves.md, part A)"),
    "early_sure": Limit(EARLY_SURE, EARLY_SOURCE),
    "returned": Limit(0.7, "of its rise that a hump comes down again; with less it is curve-diverged's"),
    "returned_at_once": Limit(0.9, "the same of a rise from the first records on, which ends above them: 0.93 in a run"
                                   " without warm-up that two readers call a spike (bench.curves.unseen)"),
    "far_times": Limit(40.0, "times its neighbours, a gradient norm after which a loss that is no spike by itself is"
                             " harm: in 17 of 678 public logs, readers name or allow a spike in those with such a loss"
                             " (bench.curves.unseen)"),
    "far_harm": Limit(1.2, "times the higher of both sides, the loss of that record or of the next"),
    "far_sure": Limit(3.0, "standard deviations of the logarithm, beside that"),
    "far_around": Limit(0.05, "nats of both sides at least: of rows that are memorised single ones have norms as far"
                              " above their neighbours"),
    "far_least": Limit(0.02, "nats beside that"),
    "fixed_times": Limit(1.25, "times its neighbours, on a fixed batch, which has no noise of batches"),
    "fixed_least": Limit(0.15, "nats beside that"),
    "soon": Limit(5, "steps after a spike within which a fixed batch would show its harm"),
    "unmoved": Limit(1.1, "times its loss before, up to which a fixed batch has not moved"),
}  # fmt: skip
"""What counts as a spike; limits of curve-spike."""

REACH = 8
"""Neighbours on each side."""
LOCAL = 24
"""Neighbours on each side that tell the noise there."""
CANDIDATE = 0.8
"""Of the limit, from which on a loss is compared with its neighbours at all."""
GUESSING_SURE = 4.0
"""Standard deviations of the logarithm by which a loss above guessing stands out, a little more than of any spike."""
GUESSING_SCATTER = 0.5
"""Standard deviation of the logarithms, above which single batches scatter so far that any loss may be one of them."""
FAR_ABOVE_GUESSING = 1.5
"""Times what guessing costs, that no text costs a model which knows its neighbours better than guessing, however far
they scatter: bad batches of short runs cost 1.47 to 3.05 times it, single batches of healthy ones after their first
steps at most 0.75 (docs/curves.md, part A)."""
ABOVE_START, FIRST = 1.5, 5
"""Times the highest of so many first losses, above which a batch is none that is only harder than its neighbours: of
500 public logs one record was, at 1.8 times, and two readers called it a spike; the others that stand out alone are at
0.35 times at most (bench.curves.unseen)."""
ODD_SCALE = 0.05
"""Of the losses after the first tenth, above which those beyond guessing are no bad batches."""
SHORT = 0.75
"""Of the usual share of an epoch, below which a step has fewer batches; epochs of two decimals hide less than that."""
SEVERAL = 5
"""Steps between records from which each is a mean over several batches."""


@dataclass(frozen=True, slots=True)
class Spike:
    """Losses far above their neighbours on both sides.

    Attributes:
        step: Where it is highest.
        height: The loss that was logged there, in nats per token in the loss.
        around: The level beside it, in the same unit.
        steps: Those of its first and of its last record.
        length: Records in a row.
        confirmed: By more than one batch, by its gradient norm, or by a loss that no text has, or none at the start.
    """

    step: int
    height: float
    around: float
    steps: tuple[int, int]
    length: int
    confirmed: bool

    @property
    def times(self) -> float:
        """Its height divided by the level beside it."""
        return self.height / max(self.around, 1e-9)

    def meets(self, other: Spike) -> bool:
        """Whether both have steps in common: they are one event then."""
        return self.steps[0] <= other.steps[1] and other.steps[0] <= self.steps[1]


def apart(spikes: Sequence[Spike]) -> list[Spike]:
    """Return a spike for each event, the highest beside its level, and the highest of all first."""
    found: list[Spike] = []
    for one in sorted(spikes, key=lambda spike: spike.times, reverse=True):
        if not any(one.meets(known) for known in found):
            found.append(one)
    return found


def in_training(points: Sequence[Point], limits: Limits, guessing: float = math.inf) -> list[Spike]:
    """Spikes of the training loss; the first three steps are left out, since they have no neighbours before them.

    Args:
        points: The logged steps.
        limits: Of curve-spike.
        guessing: Loss of guessing, in nats: a batch above it is none that is only harder than its neighbours.
    """
    losses = [point.loss for point in points]
    interval = statistics.median(b.step - a.step for a, b in pairwise(points)) if points[1:] else 1
    usual = smooth(losses, 2 * REACH + 1)
    later = losses[len(losses) // 10 :]
    # Where many losses are above guessing, they are on another scale.
    highest = guessing if sum(loss > guessing for loss in later) <= ODD_SCALE * len(later) else math.inf
    runs: list[list[int]] = []
    for place in range(3, len(losses)):
        # The median of all neighbours costs little, and is hardly above the higher of the medians of both sides.
        high = losses[place] >= CANDIDATE * limits["times"] * usual[place]
        if high and (_stands_out(losses, place, limits) or _no_text_costs(losses, place, limits, highest)):
            runs = [*runs[:-1], [*runs[-1], place]] if runs and runs[-1][-1] == place - 1 else [*runs, [place]]
    # One that lasts to the end has not come back: that is curve-diverged's.
    runs = [run for run in runs if run[-1] < len(losses) - 1 and len(run) <= REACH]
    if not runs:
        return []
    rest = [_ratio(loss, around, limits) for loss, around in zip(losses, usual, strict=True)]
    inside = {i for run in runs for i in run}
    # Those before a steep fall are above it, and no noise.
    rest[:REACH] = [one if i in inside else min(one, 0.0) for i, one in enumerate(rest[:REACH])]
    known = [max(losses[i] for i in run) >= FAR_ABOVE_GUESSING * guessing for run in runs]
    unlikely = beyond_tail(rest, runs, limits["expected"])
    return [
        _spike(points, run, limits["confirmed_norm"], interval, guessing)
        for run, one, other in zip(runs, known, unlikely, strict=True)
        if one or other
    ]


def single(one: Point | Evaluation, around: float) -> Spike:
    """A spike of one record that something confirms, beside a level of ``around`` nats."""
    return Spike(one.step, one.loss, around, (one.step, one.step), 1, True)


def _stands_out(losses: Sequence[float], place: int, limits: Limits) -> bool:
    """Whether a loss is far above its neighbours and far outside their noise."""
    around = sides(losses, place)
    higher = losses[place] - around
    if losses[place] < limits["times"] * around or higher < limits["least"]:
        return False
    # Below the least height losses scatter by many times themselves, and mean nothing by it.
    scatter = relative_noise([loss + limits["least"] for loss in losses[max(0, place - LOCAL) : place + LOCAL + 1]])
    if higher <= limits["sure"] * scatter * (around + limits["least"]):
        return False
    return _ratio(losses[place], around, limits) > limits["log_sure"] * scatter


def _no_text_costs(losses: Sequence[float], place: int, limits: Limits, guessing: float) -> bool:
    """Whether a loss is too far above guessing for any row, however far batches scatter, and its neighbours are not."""
    around = sides(losses, place)
    return around < guessing and losses[place] >= max(FAR_ABOVE_GUESSING * guessing, limits["times"] * around)


def _ratio(loss: float, around: float, limits: Limits) -> float:
    """Logarithm of a loss divided by that of its neighbours, both above the least height of a spike."""
    return math.log(max(loss + limits["least"], 1e-9) / max(around + limits["least"], 1e-9))


def _spike(points: Sequence[Point], run: list[int], confirmed_norm: float, interval: float, guessing: float) -> Spike:
    losses, norms = [point.loss for point in points], [point.grad_norm for point in points]
    worst = max(run, key=losses.__getitem__)
    known = [(place, norm) for place in run if (norm := norms[place]) is not None]
    others = [norm for i in near(norms, worst) if (norm := norms[i]) is not None and math.isfinite(norm)]
    high = bool(known and others) and max(norm for _, norm in known) > confirmed_norm * statistics.median(others)
    around = sides(losses, worst)
    beyond = _above_guessing(losses, worst, around, guessing) or _above_start(losses, worst)
    confirmed = len(run) > 1 or high or interval >= SEVERAL or beyond
    confirmed &= len(run) > 1 or not short_step(points, worst)
    steps = points[run[0]].step, points[run[-1]].step
    return Spike(points[worst].step, losses[worst], around, steps, len(run), confirmed)


def short_step(points: Sequence[Point], place: int) -> bool:
    """Whether a record is of a step with fewer batches than the others, as the last of an epoch: its loss and gradients
    are those of a few rows, and where they are summed of a part."""
    epochs = [point.epoch for point in points[max(0, place - REACH) : place + 1]]
    gaps = [b - a for a, b in pairwise(epochs) if a is not None and b is not None]
    return len(gaps) > 2 and 0 < gaps[-1] < SHORT * statistics.median(gaps)


def _above_guessing(losses: Sequence[float], place: int, around: float, guessing: float) -> bool:
    """Whether a loss is above what guessing costs, and its neighbours are as far below it as their scatter asks for."""
    if not 0 < around < guessing <= losses[place]:
        return False
    if losses[place] >= FAR_ABOVE_GUESSING * guessing:
        return True
    scatter = relative_noise(losses[max(0, place - LOCAL) : place + LOCAL + 1])
    return scatter <= GUESSING_SCATTER and math.log(losses[place] / around) > GUESSING_SURE * scatter


def _above_start(losses: Sequence[float], place: int) -> bool:
    """Whether a loss is far above the first ones, which are those of a model that has learned nothing of the rows."""
    return losses[place] > ABOVE_START * max(losses[: min(FIRST, place)])


def long_rise(points: Sequence[Point], limits: Limits) -> Spike | None:
    """The highest rise of the training loss over three or more records that came back, whatever its length."""
    losses = [point.loss for point in points]
    sure, log_sure = limits["hump_sure"], limits["hump_log_sure"]
    hump = highest_hump(losses, times=limits["hump_times"], least=limits["least"], sure=sure, log_sure=log_sure)
    return _as_spike(hump, points, limits) if hump else None


def rise_at_once(curve: Curve, limits: Limits) -> Spike | None:
    """A rise from the first records on that came back to them: nothing before it tells its base."""
    rise = early_rise(curve)
    if rise is None or rise.times < limits["hump_times"] or rise.sure < limits["early_sure"]:
        return None
    back = rise.end < rise.start or rise.peak - rise.end >= limits["returned_at_once"] * (rise.peak - rise.start)
    if not back or rise.peak - rise.start < limits["least"]:
        return None
    return _of_records(rise.above, rise.start)


def rise_in_validation(evaluations: Sequence[Evaluation], limits: Limits) -> Spike | None:
    """The highest rise of the validation loss that came back."""
    losses = [one.loss for one in evaluations]
    hump = hump_in_few(losses)
    if hump is None or hump.times < limits["fixed_times"] or hump.height - hump.base < limits["validation_least"]:
        return None
    reach = hump.length
    rest = [math.log(loss) for i, loss in enumerate(losses) if abs(i - hump.place) > reach and loss > 0]
    if math.log(hump.times) < limits["validation_sure"] * valley_scatter(rest):
        return None
    return _as_spike(hump, evaluations, limits)


def _as_spike(hump: Hump, series: Sequence[Point | Evaluation], limits: Limits) -> Spike | None:
    if hump.height - hump.after < limits["returned"] * (hump.height - hump.before):
        return None
    # The hump is one of medians: its edges are those of the losses.
    first, last = widened([one.loss for one in series], hump.first, hump.last, hump.middle)
    return _of_records(series[first : last + 1], hump.base)


def _of_records(records: Sequence[Point | Evaluation], around: float) -> Spike:
    """A rise of several records."""
    highest = max(records, key=lambda one: one.loss)
    steps = records[0].step, records[-1].step
    return Spike(highest.step, highest.loss, around, steps, len(records), True)


def in_evaluations(evaluations: Sequence[Evaluation], limits: Limits) -> list[Spike]:
    """Evaluations of a fixed batch that are far above those before and after."""
    losses = [one.loss for one in evaluations]
    found = []
    for place in range(2, len(losses) - 2):
        sides = statistics.median(losses[place - 2 : place]), statistics.median(losses[place + 1 : place + 3])
        around = max(sides)
        if losses[place] >= limits["fixed_times"] * around and losses[place] - around >= limits["fixed_least"]:
            found.append(single(evaluations[place], around))
    return found


def harmless(spike: Spike, evaluations: Sequence[Evaluation], limits: Limits) -> bool:
    """Whether it was one hard batch: its loss and gradient norm are high, and a fixed batch soon after it has a loss no
    higher than before. False where the fixed batch was not evaluated then."""
    before = [one.loss for one in evaluations if one.step < spike.step]
    after = [one.loss for one in evaluations if spike.step <= one.step <= spike.step + limits["soon"]]
    return spike.length == 1 and bool(before and after) and max(after) < limits["unmoved"] * before[-1]


def of_harder_rows(rise: Spike, points: Sequence[Point], evaluations: Sequence[Evaluation]) -> bool:
    """Whether held-out rows are known better all through a rise of several records."""
    place = next(i for i, point in enumerate(points) if point.step == rise.step)
    start, end = points[max(0, place - rise.length)], points[min(len(points) - 1, place + rise.length)]
    return known_better_through(evaluations, start.step, rise.step, end.step)


def sides(values: Sequence[float], place: int) -> float:
    """The higher of the medians of both sides, of losses in nats: a steep fall has no spikes."""
    sides = values[max(0, place - REACH) : place], values[place + 1 : place + REACH + 1]
    return max((statistics.median(side) for side in sides if side), default=math.inf)


def near(values: Sequence[float | None], place: int) -> list[int]:
    """Places of the neighbours, by step."""
    return [i for i in range(max(0, place - REACH), min(len(values), place + REACH + 1)) if i != place]
