"""Plots of a run's curves as PNG and SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.report.curve_points import Points, evaluation_losses, grad_norms, training_losses, validation_losses

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sanetune.curves.series import Curve

TRAIN, VALIDATION, LR, NORM = "#2f6fde", "#e4572e", "#2a9d6f", "#7b5ea7"
INK, FAINT = "#22272e", "#d9dee5"
SMOOTH_FROM = 40
"""Points from which on a smoothed line is drawn over the faint original."""

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": FAINT, "axes.labelcolor": INK,
    "axes.titlecolor": INK, "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.6,
    "axes.axisbelow": True, "xtick.color": INK, "ytick.color": INK, "xtick.major.size": 0, "ytick.major.size": 0,
    "legend.frameon": False, "lines.linewidth": 1.8, "lines.solid_capstyle": "round", "svg.hashsalt": "sanetune",
    "svg.fonttype": "none", "figure.facecolor": "white", "savefig.facecolor": "white",
}  # fmt: skip
"""How plots look, as matplotlib's settings."""


def draw(curve: Curve, folder: Path, *, lowest_step: int | None = None) -> list[Path]:
    """Draw ``loss``, ``learning_rate``, ``gradient_norm``, and ``curves`` (all three).

    Args:
        curve: Of one run.
        folder: Where the files are written; made if it is missing.
        lowest_step: Optimizer step to mark on the validation curve.

    Returns:
        The files written. A figure without a finite point is left out.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    panels = {"loss": _loss, "learning_rate": _lr, "gradient_norm": _norm}
    written: list[Path] = []
    with plt.rc_context(STYLE):
        drawn = []
        for name, panel in panels.items():
            figure, axes = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
            if panel(axes, curve, lowest_step):
                drawn.append(panel)
                written += write(figure, folder / name)
            plt.close(figure)
        if drawn:
            figure, many = plt.subplots(
                1, len(drawn), figsize=(4.6 * len(drawn), 3.6), layout="constrained", squeeze=False
            )
            for panel, axes in zip(drawn, many[0], strict=True):
                panel(axes, curve, lowest_step)
            written += write(figure, folder / "curves")
            plt.close(figure)
    return written


def _loss(axes: Axes, curve: Curve, lowest_step: int | None) -> bool:
    steps, losses = _finite(training_losses(curve))
    evaluated_at, validation = _finite(evaluation_losses(curve.validation))
    _, *others = validation_losses(curve).items() or [("", [])]
    decides = curve.validation_name or "validation"
    if not losses and not validation:
        return False
    if losses:
        _line(axes, steps, losses, TRAIN, "training")
    if validation:
        axes.plot(evaluated_at, validation, color=VALIDATION, marker="o", markersize=4, label=decides, zorder=4)
    for other, points in others:
        axes.plot(*_finite(points), marker="s", markersize=3, linewidth=1.0, label=other)
    if lowest_step in evaluated_at and len(evaluated_at) > 1:
        lowest = validation[evaluated_at.index(lowest_step)]
        axes.plot([lowest_step], [lowest], "o", markersize=10, markerfacecolor="none", color=VALIDATION, zorder=5)
        below = -18 if lowest_step != evaluated_at[-1] else 10  # a curve that turns goes up on both sides
        axes.annotate(
            f"lowest {lowest:.3f}", (lowest_step, lowest), textcoords="offset points", xytext=(0, below), ha="center",
            color=VALIDATION, fontsize=9,
        )  # fmt: skip
    _mark_non_finite(axes, curve)
    _finish(axes, "Loss per token in the loss", "nats")
    axes.legend()
    return True


def _lr(axes: Axes, curve: Curve, lowest_step: int | None) -> bool:
    steps, lrs = _finite([(point.step, point.lr) for point in curve.points if point.lr is not None])
    if not lrs:
        return False
    axes.plot(steps, lrs, color=LR, marker="o" if len(steps) == 1 else None)
    axes.set_ylim(bottom=0)
    _finish(axes, "Learning rate", "learning rate", scientific=True)
    return True


def _norm(axes: Axes, curve: Curve, lowest_step: int | None) -> bool:
    steps, norms = _finite(grad_norms(curve))
    if not norms:
        return False
    _line(axes, steps, norms, NORM, None)
    positive = [norm for norm in norms if norm > 0]
    # The first steps' norms are often tens of times the rest, which a linear axis would flatten.
    if positive and max(positive) > 20 * sorted(positive)[len(positive) // 2]:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    _finish(axes, "Gradient norm", "norm before clipping")
    return True


def _line(axes: Axes, steps: Sequence[int], values: Sequence[float], colour: str, label: str | None) -> None:
    """Draw a line; where it has many points, faint, with its running mean in front."""
    if len(values) < SMOOTH_FROM:
        axes.plot(steps, values, color=colour, label=label, marker="o" if len(steps) == 1 else None)
        return
    axes.plot(steps, values, color=colour, alpha=0.28, linewidth=1.0)
    axes.plot(steps, smooth(values, max(3, len(values) // 25)), color=colour, label=label)


def smooth(values: Sequence[float], width: int) -> list[float]:
    """Return the centred running mean of losses, as many as there are values.

    Args:
        values: Losses in nats, step by step.
        width: Steps on each side that a mean is taken over; fewer near the ends, so that the curve is not shifted.

    Example:
        >>> smooth([0.0, 3.0, 0.0, 3.0, 0.0], 1)
        [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    means = []
    for i in range(len(values)):
        reach = min(i, len(values) - 1 - i, width)
        window = values[i - reach : i + reach + 1]
        means.append(sum(window) / len(window))
    return means


def _mark_non_finite(axes: Axes, curve: Curve) -> None:
    """Mark each step whose loss was NaN or infinite with a cross at the bottom, so that it is not hidden."""
    steps = [point.step for point in curve.points if not math.isfinite(point.loss)]
    if steps:
        axes.plot(
            steps, [0.02] * len(steps), "x", color="#c1121f", transform=axes.get_xaxis_transform(), clip_on=False,
            label=f"loss not finite ({len(steps)})",
        )  # fmt: skip


def _finite(points: Points) -> tuple[list[int], list[float]]:
    """Steps and values, without those that are NaN or infinite."""
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    return [step for step, _ in finite], [value for _, value in finite]


def _finish(axes: Axes, title: str, label: str, *, scientific: bool = False) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title)
    axes.set_xlabel("step")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    axes.grid(axis="x", visible=False)
    if scientific:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def write(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as PNG and SVG, without a date: the same curve gives the same bytes.

    Args:
        figure: A figure of matplotlib's.
        path: The file; its ending is replaced.

    Returns:
        Both files.
    """
    png, svg = path.with_suffix(".png"), path.with_suffix(".svg")
    figure.savefig(png, dpi=160)
    figure.savefig(svg, metadata={"Date": None})
    return [png, svg]
