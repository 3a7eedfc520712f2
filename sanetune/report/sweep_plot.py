"""The plot of a sweep as PNG and SVG: curves over each other, and final loss against learning rate."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.report.plots import FAINT, INK, STYLE, VALIDATION, write
from sanetune.text import shorten
from sanetune.workflows.sweep.space import LR, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sanetune.workflows.sweep.result import Sweep, SweepTrial

MOST_NAMED = 8
"""Trials that the legend names: the best of them, then those that ended early."""
ENDS = {"diverged": "diverged", "pruned": "ended early"}
MARKERS = "osD^vPX*"
"""Of the trials with the same other values; their colour is that of their curve."""
LONGEST_VALUE, LONGEST_KEY = 24, 300
"""Characters of a value that a name has in full, and of one that the key below the picture explains."""
NAME_WIDTH, KEY_WIDTH = 66, 150
"""Characters of a line of a name, and of the key: half and all of the picture's width."""
HEIGHT, LINE = 4.2, 0.17
"""Of the picture without names, and of a line of them, in inches."""

Letters = Mapping[tuple[str, str], str]
"""The letter that stands for a long value, by its key and text."""


def draw(sweep: Sweep, folder: Path) -> list[Path]:
    """Draw ``sweep`` into ``folder``.

    Args:
        sweep: The trials.
        folder: Where the files are written; made if it is missing.

    Returns:
        The files written; none where no trial has a finite loss.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    trials = [one for one in sweep.trials if any(math.isfinite(loss) for _, loss in one.curve)]
    if not trials:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.6), layout="constrained")
        _curves(left, sweep, trials)
        _by_lr(right, sweep, trials)
        lines = [line for words in _key(trials) for line in textwrap.wrap(words, KEY_WIDTH, subsequent_indent="    ")]
        if lines:
            figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=8, color=INK)
        named = max(_legend_lines(left), _legend_lines(right))
        figure.set_figheight(max(5.6, HEIGHT + LINE * (named + len(lines))))
        written = write(figure, folder / "sweep")
        plt.close(figure)
    return written


def _colours(sweep: Sweep, trials: list[SweepTrial]) -> dict[str, Any]:
    """The colour of each trial by its key, the same in both pictures: from low to high learning rates, and the best
    one's own."""
    from matplotlib import colormaps

    ordered = sorted(trials, key=lambda one: one.lr)
    found = {one.key: colormaps["viridis"](0.9 * n / max(1, len(ordered) - 1)) for n, one in enumerate(ordered)}
    return found | ({sweep.best.key: VALIDATION} if sweep.best is not None else {})


def _curves(axes: Axes, sweep: Sweep, trials: list[SweepTrial]) -> None:
    from matplotlib.ticker import MaxNLocator

    early = [one for one in trials if not one.comparable]
    named = {one.key for one in [*sweep.ranked, *early][:MOST_NAMED]}
    colours, letters = _colours(sweep, trials), _letters(trials)
    for one in sorted(trials, key=lambda one: one.lr):
        steps, losses = zip(*((step, loss) for step, loss in one.curve if math.isfinite(loss)), strict=True)
        best = sweep.best is not None and one.key == sweep.best.key
        axes.plot(
            steps, losses, color=colours[one.key],
            linewidth=2.6 if best else 1.4, zorder=5 if best else 3, linestyle="-" if one.state == "done" else ":",
            label=_name(one, letters) if one.key in named else None,
        )  # fmt: skip
    if more := len(trials) - len(named):
        axes.plot([], [], " ", label=f"and {more:,} more")
    if math.isfinite(sweep.start.loss):
        axes.set_ylim(*_limits(sweep.start.loss, _furthest(sweep, trials)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title("Loss of a few validation rows")
    axes.set_xlabel("step")
    axes.set_ylabel("nats per token")
    # Below the picture: many names would cover the curves.
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.12))


def _by_lr(axes: Axes, sweep: Sweep, trials: list[SweepTrial]) -> None:
    """One line for each combination of the other values; bars are intervals of the difference from the best."""
    halves, letters = _halves(sweep), _letters(trials)
    groups: dict[str, list[SweepTrial]] = {}
    for one in trials:
        if math.isfinite(one.loss):
            groups.setdefault(_others(one, letters), []).append(one)
    colours = _colours(sweep, trials)
    for n, (name, some) in enumerate(groups.items()):
        marker = MARKERS[n % len(MARKERS)]
        _group(axes, sorted(some, key=lambda one: one.lr), marker, halves, colours)
        if name:
            axes.plot([], [], marker, color=INK, markersize=5, label=_wrapped(name))
    shown = [one for some in groups.values() for one in some]
    best = sweep.best
    if best is not None:
        axes.plot([best.lr], [best.loss], "o", markersize=11, markerfacecolor="none", color=VALIDATION, zorder=5)
    axes.axhline(sweep.start.loss, color=INK, linewidth=0.8, linestyle=":")
    if sweep.critical_lr is not None:
        axes.axvline(sweep.critical_lr, color=FAINT, linewidth=1.2)
        axes.annotate(
            "critical", (sweep.critical_lr, 1), xycoords=("data", "axes fraction"), fontsize=8, color=INK,
            xytext=(3, -10), textcoords="offset points",
        )  # fmt: skip
    if shown and math.isfinite(sweep.start.loss):
        # The bar of a trial that has learned nothing may be as long as it likes.
        ends = [one.loss - halves.get(one.key, 0.0) for one in shown if one.loss < sweep.start.loss]
        low, high = min([*(one.loss for one in shown), *ends]), max(one.loss for one in shown)
        axes.set_ylim(*_limits(sweep.start.loss, high if best is None else low))
    early = any(not one.comparable and one.loss <= axes.get_ylim()[1] for one in shown)
    if early:
        axes.plot([], [], MARKERS[0], color=INK, markersize=5, markerfacecolor="none", label="not all its steps")
    above = _above(axes, sweep.trials, colours)
    axes.set_xscale("log")
    axes.set_title("Final loss of all validation rows")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("nats per token")
    if len(groups) > 1 or early or above:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.12))


def _name(trial: SweepTrial, letters: Letters) -> str:
    """What a trial changes, and of one that ended early how, and with which loss: its curve may leave the picture."""
    end, name = ENDS.get(trial.state), ", ".join(_parts(trial, letters)) or "as given"
    return _wrapped(name if end is None else f"{name}: {end} at step {trial.steps:,}, loss {_loss(trial.curve[-1][1])}")


def _wrapped(name: str) -> str:
    return textwrap.fill(name, NAME_WIDTH)


def _value(value: object) -> str:
    """A value as in the configuration, a list without its brackets."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _letters(trials: list[SweepTrial]) -> Letters:
    """A letter for each value that is too long for a name: A, B and so on, in the order of the trials."""
    found: dict[tuple[str, str], str] = {}
    for one in trials:
        for key, value in one.changes.items():
            if len(text := _value(value)) > LONGEST_VALUE:
                found.setdefault((key, text), _letter(len(found)))
    return found


def _letter(number: int) -> str:
    return chr(ord("A") + number % 26) + (str(number // 26) if number >= 26 else "")


def _parts(trial: SweepTrial, letters: Letters) -> list[str]:
    """What a trial changes, ``name=value`` each, with letters for long values."""
    return [
        f"{short_name(key)}={letters.get((key, _value(value)), _value(value))}" for key, value in trial.changes.items()
    ]


def _key(trials: list[SweepTrial]) -> list[str]:
    """What each letter of the names stands for."""
    return [
        f"{short_name(key)}={letter}: {shorten(text, LONGEST_KEY)}" for (key, text), letter in _letters(trials).items()
    ]


def _legend_lines(axes: Axes) -> int:
    legend = axes.get_legend()
    return 0 if legend is None else sum(text.get_text().count("\n") + 1 for text in legend.get_texts())


def _furthest(sweep: Sweep, trials: list[SweepTrial]) -> float:
    """The lowest loss of the curves; where none falls, the highest of those that matter, so that they are seen."""
    losses = {one.key: [loss for _, loss in one.curve if math.isfinite(loss)] for one in trials}
    lowest = min(min(some) for some in losses.values())
    if lowest < min(some[0] for some in losses.values()):
        return lowest
    made = [losses[one.key] for one in sweep.ranked if one.key in losses]
    return max(max(some) for some in made or losses.values())


def _loss(loss: float) -> str:
    return f"{loss:.4g}" if math.isfinite(loss) else "not finite"


def _above(axes: Axes, trials: list[SweepTrial], colours: dict[str, Any]) -> bool:
    """Mark trials whose loss is no number, or above the picture, at its upper edge; return whether there are any."""
    top = axes.get_ylim()[1]
    found = [one for one in trials if not one.loss <= top]
    for one in found:
        axes.plot(
            [one.lr], [1], "^", transform=axes.get_xaxis_transform(), clip_on=False, markersize=7,
            color=colours.get(one.key, INK), markerfacecolor="none", zorder=6,
        )  # fmt: skip
    if found:
        lowest = min((one.loss for one in found if math.isfinite(one.loss)), default=math.nan)
        words = _loss(lowest) + (" or more" if len(found) > 1 and math.isfinite(lowest) else "")
        axes.plot([], [], "^", color=INK, markersize=7, markerfacecolor="none", label=f"above the picture: {words}")
    return bool(found)


def _limits(start: float, furthest: float) -> tuple[float, float]:
    """The ends of an axis that shows the loss before any step and the furthest one, but none far above both."""
    low, high = sorted((start, furthest))
    room = (high - low) or 1.0  # no trial has lowered it
    return low - 0.08 * room, high + 0.3 * room


def _halves(sweep: Sweep) -> dict[str, float]:
    """Half of the interval of each trial's difference from the best, by its key."""
    found = {}
    for against in sweep.against_best():
        if against.difference is not None:
            low, high = against.difference.interval()
            found[against.trial.key] = (high - low) / 2
    return found


def _group(axes: Axes, some: list[SweepTrial], marker: str, halves: dict[str, float], colours: dict[str, Any]) -> None:
    """Draw the trials with the same other values by their learning rates, hollow those that ended early."""
    ends = [one for one in some if one.comparable]
    axes.plot([one.lr for one in ends], [one.loss for one in ends], color=FAINT, linewidth=1.2, zorder=2)
    for one in some:
        axes.errorbar(
            [one.lr], [one.loss], [halves.get(one.key, 0.0)], marker=marker, markersize=5, capsize=2,
            color=colours[one.key], markerfacecolor=None if one.comparable else "none", zorder=4,
        )  # fmt: skip


def _others(trial: SweepTrial, letters: Letters) -> str:
    """What a trial changes beside its learning rate, in words."""
    lr = short_name(LR)
    return ", ".join(part for part in _parts(trial, letters) if not part.startswith(f"{lr}="))
