"""Seconds of the whole run from measured steps: how long a step takes, and how many evaluations and saves there are.

The sum of all steps is wanted, so it is the mean of a step that counts, not its median: a tenth of slow steps makes the
run longer. What a single hiccup adds is bounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sanetune.config.schema import Config
    from sanetune.planning.steps import StepPlan
    from sanetune.probes.results import Timing

WARM = 3
"""First steps that are left out, where there are enough: kernels are chosen, memory is taken, shapes are new."""
PARTS = 5
"""Consecutive parts of the measured steps; the fastest and the slowest of them are the interval."""
AGREE = 1.5
"""Measured steps whose tokens are within this factor of the run's are corrected along their own slope, others in
proportion."""
HICCUP = 5.0
"""A step this many spreads (1.48 times the median deviation) from the middle counts as that far away."""
MOST = 400
"""Steps that slopes are taken between: their pairs grow with the square."""
UNSURE = 2.0
"""The factor of the interval, both ways, where too few steps were measured to have parts."""


@dataclass(frozen=True, slots=True)
class Range:
    """A value between a ``low`` and a ``high`` one.

    >>> Range(1.0, 2.0, 4.0).times(60)
    Range(low=60.0, middle=120.0, high=240.0)
    """

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> Range:
        """All three values times ``factor``."""
        return Range(self.low * factor, self.middle * factor, self.high * factor)


@dataclass(frozen=True, slots=True)
class StepTime:
    """How long one step of the run takes.

    Attributes:
        seconds: Of one step.
        steps: Measured steps that this is from.
        tokens: Their mean tokens on one device, without padding.
        scaled: Whether they hold so many more or fewer tokens than the run's that the seconds are taken in proportion.
    """

    seconds: Range
    steps: int
    tokens: float
    scaled: bool = False


def step_time_of(timing: Timing, tokens: float) -> StepTime:
    """How long a step takes that holds ``tokens`` tokens on each device.

    A regression estimator: the mean of the measured steps, moved along the slope of seconds over tokens (Theil-Sen, at
    least 0) to the run's mean tokens. The interval: as if the whole run went as fast as the fastest of five consecutive
    parts, or as slow as the slowest.

    Args:
        timing: The measured steps.
        tokens: Mean of the whole run; 0: as many as those measured have.

    Raises:
        ValueError: No step was measured.
    """
    import numpy as np

    first = WARM if len(timing.step_seconds) >= 3 * WARM else 0
    seconds = np.asarray(timing.step_seconds[first:], dtype=float)
    if not len(seconds):
        raise ValueError("no step was measured")
    measured = np.asarray(timing.tokens[first : len(timing.step_seconds)], dtype=float)
    if len(measured) != len(seconds):
        measured = np.zeros(len(seconds))
    mean = float(measured.mean())
    target = tokens or mean
    scaled = bool(mean) and not 1 / AGREE <= target / mean <= AGREE
    slope = 0.0 if scaled else _slope(measured, seconds)
    rest = _bounded(seconds - slope * measured) + slope * target
    if scaled:
        rest = _bounded(seconds) * (target / mean)
    middle = float(rest.mean())
    if len(rest) < 2 * PARTS:
        return StepTime(Range(middle / UNSURE, middle, middle * UNSURE), len(rest), mean, scaled)
    parts = [float(part.mean()) for part in np.array_split(rest, PARTS)]
    return StepTime(Range(min(parts), middle, max(parts)), len(rest), mean, scaled)


def _slope(across: NDArray[np.float64], up: NDArray[np.float64]) -> float:
    """The median slope between all pairs of points (Theil-Sen), which single steps cannot turn; never below 0."""
    import numpy as np

    across, up = across[:MOST], up[:MOST]
    first, second = np.triu_indices(len(across), 1)
    apart = across[second] - across[first]
    some = apart != 0
    if not some.any():
        return 0.0
    return max(0.0, float(np.median((up[second] - up[first])[some] / apart[some])))


def _bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values``, none further than HICCUP spreads from their median (a twentieth of it at the least)."""
    import numpy as np

    middle = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), abs(middle) / 20)
    return np.clip(values, middle - HICCUP * spread, middle + HICCUP * spread)


def count_evaluations(steps: StepPlan, config: Config, rows: int) -> int:
    """How often the run evaluates its ``rows`` validation rows: at the start, at every interval, and at the end."""
    train = config.train
    strategy = str(train.value("eval_strategy"))
    if not rows or strategy == "no":
        return 0
    start = train.given.get("eval_on_start")
    count = 1 if start is None or start else 0
    if strategy == "epoch":
        # transformers' own at the end of every epoch, and ours at the last step.
        return count + math.ceil(round(steps.epochs, 6)) + 1
    delay = float(train.value("eval_delay") or 0)
    due = range(steps.eval_steps or steps.total_steps + 1, steps.total_steps + 1, steps.eval_steps or 1)
    return count + len({step for step in due if step >= delay} | {steps.total_steps})


def count_checkpoint_saves(steps: StepPlan, config: Config, rows: int) -> int:
    """How many checkpoints the whole run writes, the last one too.

    Where it saves those alone that are better on its ``rows`` validation rows, as many as there are evaluations.
    """
    strategy = str(config.train.value("save_strategy"))
    if strategy == "no":
        return 0
    if strategy == "epoch":
        return math.ceil(round(steps.epochs, 6))
    if strategy == "best":
        return count_evaluations(steps, config, rows)
    every = steps.save_steps or steps.total_steps
    return math.ceil(steps.total_steps / every) if every else 0


def evaluation_seconds(timing: Timing, step: StepTime, loss_tokens: int, tokens: int) -> tuple[float, bool]:
    """Seconds that one device takes to evaluate validation rows, and whether that was measured.

    Where it was not: a third of the time that training takes for as many tokens, since it is the forward pass of three
    parts.

    Args:
        timing: What was measured.
        step: How long a training step takes.
        loss_tokens: Tokens in the loss of the validation rows.
        tokens: All of their tokens.
    """
    if timing.evaluation_loss_tokens and timing.evaluation_seconds > 0:
        return timing.evaluation_seconds * loss_tokens / timing.evaluation_loss_tokens, True
    return (step.seconds.middle / step.tokens * tokens / 3 if step.tokens else 0.0), False
