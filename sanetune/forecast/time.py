"""The time of a run from measured steps: step time, and the number of evaluations and checkpoint saves.

The mean step time is used, not the median, because the sum over all steps is forecast: if one step in ten is slow, the
run is longer. The influence of a single outlier is bounded.
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
"""First steps that are left out where there are enough: kernels are chosen, memory is allocated, shapes are new."""
PARTS = 5
"""Consecutive parts of the measured steps; the fastest and the slowest of them are the ends of the range."""
AGREE = 1.5
"""Factor between the tokens of a measured step and of a planned one up to which the measured slope is used; beyond it,
the step time is scaled in proportion."""
OUTLIER = 5.0
"""A step time further from the median than this many robust standard deviations (1.48 times the median absolute
deviation) counts as that far away."""
MOST = 400
"""Steps that the slope is computed from, at most: the number of pairs grows with the square."""
UNSURE = 2.0
"""The range goes from the mean divided by this to the mean times this where too few steps were measured."""


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
        seconds: Seconds of one step.
        steps: Number of measured steps that they are from.
        tokens: Mean tokens of the measured steps on one device, without padding.
        scaled: Whether ``seconds`` were scaled in proportion to the tokens, because the run's steps have many more or
            fewer than the measured ones.
    """

    seconds: Range
    steps: int
    tokens: float
    scaled: bool = False


def step_time_of(timing: Timing, tokens: float) -> StepTime:
    """Return the step time for ``tokens`` tokens on each device.

    A regression estimator: the mean of the measured steps, moved along the slope of seconds over tokens (Theil-Sen, at
    least 0) to the run's mean tokens. The range goes from the fastest to the slowest of five consecutive parts.

    Args:
        timing: The measured steps.
        tokens: Mean tokens of a step of the whole run; 0: those of the measured steps.

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
    """The median slope between all pairs of points (Theil-Sen), at least 0; single outliers hardly change it."""
    import numpy as np

    across, up = across[:MOST], up[:MOST]
    first, second = np.triu_indices(len(across), 1)
    apart = across[second] - across[first]
    some = apart != 0
    if not some.any():
        return 0.0
    return max(0.0, float(np.median((up[second] - up[first])[some] / apart[some])))


def _bounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values`` clipped at OUTLIER robust standard deviations from the median, each at least a twentieth of it."""
    import numpy as np

    middle = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - middle))), abs(middle) / 20)
    return np.clip(values, middle - OUTLIER * spread, middle + OUTLIER * spread)


def count_evaluations(steps: StepPlan, config: Config, rows: int) -> int:
    """Return how often the run evaluates its ``rows`` validation rows: at the start, each interval and the end."""
    train = config.train
    strategy = str(train.value("eval_strategy"))
    if not rows or strategy == "no":
        return 0
    start = train.given.get("eval_on_start")
    count = 1 if start is None or start else 0
    if strategy == "epoch":
        # transformers evaluates at the end of each epoch, and this package at the last step.
        return count + math.ceil(round(steps.epochs, 6)) + 1
    delay = float(train.value("eval_delay") or 0)
    due = range(steps.eval_steps or steps.total_steps + 1, steps.total_steps + 1, steps.eval_steps or 1)
    return count + len({step for step in due if step >= delay} | {steps.total_steps})


def count_checkpoint_saves(steps: StepPlan, config: Config, rows: int) -> int:
    """Return how many checkpoints the whole run writes, including the last.

    Where only checkpoints with a better loss on the ``rows`` validation rows are saved, every evaluation may save one.
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
    """Return the seconds that one device takes for one evaluation, and whether they were measured.

    Where no evaluation was measured, it is a third of the time of training on as many tokens: the forward pass is about
    a third of the FLOPs of a training step.

    Args:
        timing: The measured steps and evaluation.
        step: The step time of training.
        loss_tokens: Tokens in the loss of the validation rows.
        tokens: All tokens of the validation rows.
    """
    if timing.evaluation_loss_tokens and timing.evaluation_seconds > 0:
        return timing.evaluation_seconds * loss_tokens / timing.evaluation_loss_tokens, True
    return (step.seconds.middle / step.tokens * tokens / 3 if step.tokens else 0.0), False
