"""The first losses are far above what a pre-trained model can have.

## What it does
Compares the first validation loss, where nothing before it was lower, and the first logged training losses, whichever
is higher, with the natural logarithm of the vocabulary size, which is the loss of guessing, and with 7.8 nats, more
than a model has that knows how frequent each token is and nothing else. A validation loss whose rows are known counts
less its standard error. Where one before the first training record is below both, two of the first three training
losses have to be above: one may have a bad row. A training loss counts less what such losses scatter by, unless it is
the mean of five or more steps in which the loss fell, and the mean of the first two to sixteen less its standard error:
a loss that falls began no lower. A mean is no start where the first half of it is below guessing and the whole more
than 1.3 times that: the model began well, and the loss has risen since. No first batch counts as more than three times
as hard as the others. If the vocabulary is not known, the smallest and the largest in common use count (8,000 and
262,144 tokens). A run from random weights, which its path, its output or `--from-scratch` says, may begin at the
largest of these. The check is skipped where all losses are above ten times that of guessing: it is another loss, or a
sum.

## Why is this bad?
A model that does worse than guessing has no use for what it knows here. A steep curve then looks like success.

Labels that are shifted or shuffled, another model's tokenizer and weights that were not loaded look like this, and so
does text far from all that the model has read.

## Example
Another model's tokenizer:

```python
tokenizer = AutoTokenizer.from_pretrained("gpt2")
model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-3.2-1B")
```

## Use instead
Inspect tokens and labels with `sanetune data CONFIG`, and compare the loss with the one on text that the model knows.

The loss is high on both: tokenizer or weights are not the model's own. It is high on these rows alone: their labels are
wrong, or the text is far from what the model knows.

```python
tokenizer = AutoTokenizer.from_pretrained("meta-llama/Llama-3.2-1B")
model = AutoModelForCausalLM.from_pretrained("meta-llama/Llama-3.2-1B")
```

## Known problems
A model that is meant to begin from random weights begins at the loss of guessing: `sanetune diagnose --from-scratch`.

Some programs log the sum of the losses of several batches, which looks the same where there is no validation loss to
compare it with (curve-loss-summed). Of a trainer whose loss is its owner's code the micro-batches of a step are known:
a start that their sum explains is a warning.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.curve._applies import needs_token_loss
from sanetune.curves.changes import SHOT_UP, START_SHARE, finite, last_step, points_of
from sanetune.curves.paired import PairedDifference
from sanetune.curves.robust import relative_noise
from sanetune.curves.scale import LARGEST_VOCABULARY, times_validation
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.curves.series import Curve, Evaluation, Point

FIX = "none"
LIVE = "whole"
VERSION = 13

LIMITS = {
    "warn": Limit(1.0, "guessing among all tokens alike costs ln(vocabulary)"),
    "fail": Limit(1.25, "a run with wrong labels began at 1.5 times ln(vocabulary) or more (qlora-gallery); a small"
                        " story model on grade-school mathematics at 1.15"),
    "sure": Limit(1.0, "standard deviations of a first training loss, which is that of a few rows, and standard errors"
                       " of an evaluation whose rows are known"),
    "sure_mean": Limit(1.3, "standard errors of a mean of first losses: of four tries one may be high by chance"),
    "beside": Limit(2.5, "the same of both where an evaluation at the start is below: a batch may be one of hard rows"),
    "mean_steps": Limit(5, "steps that a first record is the mean of, from which on what batches scatter is no doubt of"
                           " it: the loss falls meanwhile, so that it began higher"),
    "mean_scatter": Limit(0.15, "of the loss, beyond which records are those of single batches"),
    "known_later": Limit(0.5, "of the first loss, that the lowest is below where `frequencies` counts: a sum over"
                              " micro-batches that begins so ends higher"),
    "no_mean": Limit(10.0, "times ln(vocabulary) that all losses are above: no model stays so wrong, and sixteen"
                           " micro-batches that are summed fall below it as soon as they have learned"),
    "frequencies": Limit(7.8, "nats, more than a model has that knows how frequent each token is and nothing else: 4.8"
                              " to 6.2 with the tokens of GPT-2, SmolLM2 and OLMo on Alpaca, GSM8K and airline"
                              " conversations; a public log that learns no more rests at 7.4"),
    "random": Limit(1.05, "times ln(vocabulary), for a run from random weights: three public ones begin at 1.00 to 1.01"
                          " times it"),
    "smallest_vocabulary": Limit(8_000, "tokens, where the vocabulary is not known: what SentencePiece makes unasked"),
    "largest_vocabulary": Limit(LARGEST_VOCABULARY, "tokens, likewise: that of Gemma 3"),
}  # fmt: skip


NEIGHBOURS, NEAR, FEWEST_NEAR = 24, 0.5, 4
"""First training losses that tell how far a single one scatters, as a share of it: those above half of the first, where
there are four or more, since low losses scatter by a larger share."""
HARDEST = 3.0
"""Times that a first batch may be harder than others, however far single records of a log scatter: a run that has
learned its rows to near zero scatters by more than a hundred times, its first batches did not."""
MEANS = (2, 4, 8, 16)
"""First training losses of a mean."""
FIRST = 3
"""First training losses of which most have to be high, where an evaluation says that the model does not guess."""
OWN = 0.7
"""Of such a mean, that the very first has at least: a loss that shoots up began lower. What it scatters by then is no
measure, since the rise is part of it."""


def measure(curve: Curve, limits: Limits) -> Measurement:
    needs_token_loss(curve)
    points = points_of(curve)
    evaluated = _evaluated(curve, points)
    if evaluated is None and not points:
        raise NotApplicableError("no training loss was logged, and no evaluation is the lowest until then")
    known, times = curve.vocab_size, times_validation(curve) if points else None
    guessing = math.log(known or limits["largest_vocabulary"])
    least = min((point.loss for point in points), default=0.0)
    if not times and least > limits["no_mean"] * guessing:
        raise NotApplicableError(f"no training loss is below {least:,.0f}: this is another loss, or a sum over tokens")
    guessing_least = math.log(known or limits["smallest_vocabulary"])
    falls = bool(points) and least < limits["known_later"] * points[0].loss
    most = min(guessing_least, limits["frequencies"]) if known or falls else guessing_least
    if curve.from_scratch:
        most = limits["random"] * guessing
    least_by_rows = -math.inf if evaluated is None else _least(evaluated, limits)
    # An evaluation behind the first record says nothing against it: the loss may have fallen in between.
    before = evaluated is not None and (not points or evaluated.step <= points[0].step)
    sure, sure_mean = (limits["beside" if before and least_by_rows < most else name] for name in ("sure", "sure_mean"))
    losses = [point.loss / (times or 1.0) for point in points]
    trained = _trained(losses, most, 0.0 if _is_mean(points, limits) else sure, sure_mean)
    if before and evaluated and evaluated.loss < most and _is_single(points, times, most):
        trained = NOTHING_KNOWN
    by_rows = least_by_rows >= trained.known
    first = evaluated if by_rows or not points else points[trained.count - 1]
    assert first is not None
    return Measurement(
        {
            "loss": first.loss if by_rows else trained.loss,
            "known": least_by_rows if by_rows else trained.known,
            "losses": trained.count,
            "divided_by": None if by_rows else times,
            "micro_batches": None if by_rows or times else _summed(curve, trained.known, most),
            "step": first.step,
            "looked": by_rows,
            "evaluated": None if by_rows or evaluated is None else evaluated.loss,
            "vocabulary": known,
            "most": most,
            "from_scratch": curve.from_scratch,
            "guessing": guessing_least,
            "guessing_most": guessing,
        }
    )


def _least(evaluation: Evaluation, limits: Limits) -> float:
    """The loss that such rows have at least: where single ones are known, less a standard error of their mean."""
    mean = PairedDifference.of(evaluation.sums, evaluation.tokens)
    return evaluation.loss - (limits["sure"] * mean.std_error if mean else 0.0)


def _evaluated(curve: Curve, points: Sequence[Point]) -> Evaluation | None:
    """The evaluation that tells the start: the first one at it, or a later one of rows that are known better ever since
    and that no training loss before it was below. The run began no lower than that."""
    early = max(1, START_SHARE * last_step(curve))
    firsts = [series for series in (finite(curve.validation), finite(curve.fixed_batch)) if series]
    for first, *later in firsts:
        before = [point.loss for point in points if point.step <= first.step]
        falls = len(later) > 1 and all(one.loss < first.loss for one in later)
        if first.step <= early or (falls and first.loss <= min(before, default=math.inf)):
            return first
    return None


@dataclass(frozen=True, slots=True)
class _Start:
    """What the first ``count`` training losses say: their mean, and the loss that the run began with at least."""

    loss: float
    known: float
    count: int = 1


NOTHING_KNOWN = _Start(-math.inf, -math.inf)


def _summed(curve: Curve, known: float, most: float) -> int | None:
    """The micro-batches of a step where a loss of ``known`` is no higher than ``most`` for each of them; None: it is,
    or their number is not known. Trainers that compute their own loss often log the sum over them."""
    several = curve.accumulated or 1
    return several if several > 1 and known / several < most <= known else None


def _is_single(points: Sequence[Point], times: float | None, most: float) -> bool:
    """Whether most of the first training losses are lower, so that a higher one is that of hard rows."""
    return statistics.median(point.loss / (times or 1.0) for point in points[:FIRST]) < most if points else False


def _is_mean(points: Sequence[Point], limits: Limits) -> bool:
    """Whether the first record is the mean of many steps, as a Trainer logs it, in which the loss fell. Others log the
    loss of every tenth step, which scatters as that of a batch does."""
    if len(points) < 4 or points[0].step < limits["mean_steps"]:
        return False
    falls = points[1].step == 2 * points[0].step and points[1].loss < points[0].loss
    return falls and relative_noise([point.loss for point in points[1:NEIGHBOURS]]) <= limits["mean_scatter"]


def _trained(losses: Sequence[float], most: float, sure: float, sure_mean: float) -> _Start:
    """The mean of first training losses whose lower bound is highest, without those that rise from below ``most``. A
    record may itself be a mean over many steps: at most too low, which is the careful side."""
    if not losses:
        return NOTHING_KNOWN
    scatter = _scatter(losses[:NEIGHBOURS])
    found = [_Start(losses[0], losses[0] * max(math.exp(-sure * scatter), 1 / HARDEST))]
    for count in MEANS:
        mean = statistics.fmean(losses[:count])
        before = statistics.fmean(losses[: count // 2])
        risen = before < most and mean > SHOT_UP * before
        if count <= len(losses) and losses[0] >= OWN * mean and not risen:
            found.append(_Start(mean, mean * math.exp(-sure_mean * scatter / math.sqrt(count)), count))
    return max(found, key=lambda one: one.known)


def _scatter(losses: Sequence[float]) -> float:
    """Standard deviation of a first loss about its trend, as a share of it."""
    near = list(takewhile(lambda loss: loss >= NEAR * losses[0], losses))
    return relative_noise(near if len(near) >= FEWEST_NEAR else losses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    evaluated = "evaluated at" if n["step"] else "before training, at"
    when = f"{evaluated if n['looked'] else 'logged at'} step {n['step']:,}"
    message = f"the first loss is {n['loss']:.2f} ({when})"
    if n["losses"] > 1 and not n["looked"]:
        message = f"the mean of the first {n['losses']} losses is {n['loss']:.2f} (until step {n['step']:,})"
    if n["divided_by"]:
        message = f"{message}, divided by {n['divided_by']:.3g} as curve-loss-summed says"
    if n["evaluated"] is not None:
        message = f"{message}, that of validation rows {n['evaluated']:.2f}"
    several = n["micro_batches"]
    if several:
        each = f"{n['loss'] / several:.2f} for each of {several} micro-batches"
        message = f"{message}, which is {each} if it is their sum"
    range_ = f"{limits['smallest_vocabulary']:,} to {limits['largest_vocabulary']:,}"
    among = f"among {n['vocabulary']:,} tokens" if n["vocabulary"] else f"among {range_} tokens"
    costs = f"{n['guessing']:.2f}" + ("" if n["vocabulary"] else f" to {n['guessing_most']:.2f}")
    message = f"{message}; guessing {among} costs {costs}"
    if n["known"] >= limits["fail"] * n["guessing_most"] and not several:
        return failed(message)
    if n["known"] < limits["warn"] * n["most"]:
        return passed(message)
    if n["from_scratch"]:
        message = f"{message}, where random weights begin"
    elif n["known"] < n["guessing"]:
        message = f"{message}, and who knows only how frequent each token is has less than {n['most']:.2g}"
    return warned(message)
