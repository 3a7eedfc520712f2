"""Several runs on one page: their curves in one picture, the settings that differ, and results side by side."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune import __version__, units
from sanetune.curves.series import Curve
from sanetune.errors import RunError, UserError
from sanetune.gate.clearance_file import read_clearance
from sanetune.report.curve_points import Points, drawable, evaluation_losses, grad_norms, last_step, training_losses
from sanetune.report.experiment_text import loss_text
from sanetune.report.html.assets import assets
from sanetune.report.html.collect import settings_of
from sanetune.report.html.compared_answers import ComparedAnswers, compared_answers
from sanetune.report.html.page import template
from sanetune.report.html.plot_parts import Axis, Label, Series
from sanetune.report.html.plots import Plot, axis_from_zero, axis_of
from sanetune.report.html.trained import run_view
from sanetune.report.html.view import RunView
from sanetune.text import escape_control, shortest_path

if TYPE_CHECKING:
    from sanetune.curves.series import Evaluation, Point
    from sanetune.report.html.status import Status
    from sanetune.runs import Run

MOST = 6
"""Runs on one page: more colours than that are not told apart."""
WIDTH, LEFT, RIGHT = 820, 52, 8
LOG_FROM = 8.0
"""A picture whose highest loss is this many times its lowest has a logarithmic axis."""
LRS_LOG_FROM = 10.0
"""The same of the highest learning rates of the runs."""
OWN = ("run.name", "run.output_dir", "check.unchecked")
"""Settings that differ between any two runs and say nothing."""


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of several.

    Attributes:
        name: What it is called on the page, no other being called so.
        path: Its folder, as it is shortest to type.
        view: What its folder has; None: it was not trained.
        proved: What was proved before it.
        settings: ``section.key`` -> value as text.
        data: Fingerprint of its rows; "": not known.
    """

    name: str
    path: str
    view: RunView | None
    proved: str
    settings: Mapping[str, str] = field(default_factory=dict)
    data: str = ""

    @property
    def curve(self) -> Curve | None:
        """Its losses."""
        return self.view.curve if self.view else None


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One figure of all runs.

    Attributes:
        name: What it is.
        cells: Its value in each run; "" where it is not known.
        best: Positions of the runs with the best value; none where it has no better and worse.
    """

    name: str
    cells: Sequence[str]
    best: frozenset[int] = frozenset()


def page_of_runs(runs: Sequence[Run]) -> str:
    """Return one self-contained HTML page that compares ``runs``.

    Raises:
        UserError: There are more runs than can be told apart, or one is there twice.
    """
    if len(runs) > MOST:
        raise UserError(f"{len(runs)} runs were given, and one page compares at most {MOST}.")
    places = [run.path.resolve() for run in runs]
    if again := next((run for run, place in zip(runs, places, strict=True) if places.count(place) > 1), None):
        raise UserError(
            f"{shortest_path(again.path)} was given twice.",
            "A run does not differ from itself.",
            "Give each run once; of one alone `sanetune report RUN` writes the page.",
        )
    names = _names([run.name for run in runs])
    found = [_compared(run, name) for run, name in zip(runs, names, strict=True)]
    answers = compared_answers(runs, names, [one.view for one in found])
    charts = losses_plot(found)
    asset = assets(charts=charts is not None)
    title = escape_control(f"{len(found)} runs: {', '.join(names)}")
    return template("compared.html").render(
        runs=found,
        plot=charts,
        results=results(found, answers),
        ask=""
        if any(answers.verdicts) or not all(run.finished for run in runs)
        else shlex.join(["sanetune", "compare", *(one.path for one in found)]),
        settings=different_settings(found),
        answers=answers,
        same_data=len({one.data for one in found}) == 1 and bool(found[0].data),
        title=title,
        brand="sanetune",
        made_by=__version__,
        live="",
        style=asset.style,
        script=asset.script,
        policy=asset.policy,
    )


def _names(names: Sequence[str]) -> list[str]:
    """The names, numbered where two are the same."""
    return [f"{name} ({n})" if names.count(name) > 1 else name for n, name in enumerate(names, 1)]


def _compared(run: Run, name: str) -> ComparedRun:
    from sanetune.config.load import load

    clearance, reason = read_clearance(run)
    if clearance is None:
        proved = f"nothing: {reason}"
    else:
        proved = f"cleared at level {clearance.level}" if clearance.proves else f"unchecked: {clearance.unchecked}"
    try:
        settings = {one.key: one.value for one in settings_of(load(run.config))}
    except (UserError, OSError):
        settings = {}
    try:
        data = str(run.read_json(run.data).get("fingerprint") or "")
    except (RunError, OSError):
        data = ""
    return ComparedRun(name, shortest_path(run.path), run_view(run), proved, settings, data)


def losses_plot(runs: Sequence[ComparedRun]) -> Plot | None:
    """Return losses, learning rates and gradient norms of all runs over each other; None: no loss is finite."""
    curves = [(n, one.name, one.curve) for n, one in enumerate(runs) if one.curve]
    if not curves:
        return None
    losses = [Series(f"{name}, training", f"run{n}-train", training_losses(curve)) for n, name, curve in curves]
    losses += [
        Series(f"{name}, validation", f"run{n}", evaluation_losses(curve.validation), "circle")
        for n, name, curve in curves
    ]
    lrs = [Series(name, f"run{n}", _lrs(curve)) for n, name, curve in curves]
    norms = [Series(name, f"run{n}-train", grad_norms(curve)) for n, name, curve in curves]
    x = Axis(0, max(last_step(curve) for _, _, curve in curves), LEFT, WIDTH - RIGHT)
    plot, top = Plot("Losses, learning rates and gradient norms of all runs by step", WIDTH, 0), 14
    axes = {"loss": _loss_axis, "learning rate": _lr_axis, "gradient norm": axis_from_zero}
    for name, series, height in (("loss", losses, 250), ("learning rate", lrs, 90), ("gradient norm", norms, 90)):
        y = axes[name](series, top + height, top)
        if y is None:
            continue
        plot.scale(x, y, 3)
        plot.draw(series, x, y, keys=name == "loss", name=name)
        plot.labels.append(Label(x.end, top - 2, name, "end"))
        top += height + 30
    plot.height = top + 8
    plot.steps(x, top - 22)
    return plot if plot.panels else None


def _loss_axis(series: Sequence[Series], start: float, end: float) -> Axis | None:
    values = [value for one in series for _, value in one.points if math.isfinite(value) and value > 0]
    return axis_of(series, start, end, log=bool(values) and max(values) > LOG_FROM * min(values))


def _lr_axis(series: Sequence[Series], start: float, end: float) -> Axis | None:
    """From 0; logarithmic where the highest learning rates differ so much that the lowest of them would be a line on 0.
    It then ends below the lowest of them: what warm-up and decay go through would take all the room."""
    highest = [max((value for _, value in one.points if drawable(value)), default=0.0) for one in series]
    least, most = min((one for one in highest if one > 0), default=0.0), max(highest, default=0.0)
    if most < LRS_LOG_FROM * least or least <= 0:
        return axis_from_zero(series, start, end)
    return Axis(least / LRS_LOG_FROM, 1.25 * most, start, end, log=True, clipped=True)


def _lrs(curve: Curve) -> Points:
    return [(point.step, point.lr) for point in curve.points if point.lr is not None]


def results(runs: Sequence[ComparedRun], answers: ComparedAnswers) -> list[ResultRow]:
    """Return the figures of all runs, and of their ``answers``; what no run has is left out."""
    views = [one.view for one in runs]
    curves = [one.curve or Curve() for one in runs]
    evaluations = [one.validation for one in curves]
    lowest = [min((each.loss for each in some), default=math.nan) for some in evaluations]
    same = len({one.data for one in runs}) == 1 and bool(runs[0].data)
    rows = [
        ResultRow("proved before it", [one.proved for one in runs]),
        ResultRow("course", [_course(v.status) if v and v.status else "" for v in views]),
        ResultRow("steps", [f"{last_step(one.curve):,}" if one.curve else "" for one in runs]),
        ResultRow("time", [units.seconds(v.seconds) if v and v.seconds else "" for v in views]),
        ResultRow(
            "speed",
            [f"{units.count(v.tokens_per_second)} tokens/s" if v and v.tokens_per_second else "" for v in views],
        ),
        ResultRow("validation loss at the start", [loss_text(some[0].loss) if some else "" for some in evaluations]),
        ResultRow(
            "lowest validation loss",
            ["" if math.isnan(one) else loss_text(one) for one in lowest],
            # Losses on different rows do not compare.
            _lowest(lowest) if same and len(runs) > 1 else frozenset(),
        ),
        ResultRow(
            "last validation loss", [_last(one.curve.validation, one.curve) if one.curve else "" for one in runs]
        ),
        ResultRow("last training loss", [_last(one.curve.points, one.curve) if one.curve else "" for one in runs]),
        ResultRow("sanetune compare", answers.verdicts),
        ResultRow("answers that end by themselves", answers.counts),
    ]
    return [row for row in rows if any(row.cells)]


def _course(status: Status) -> str:
    between = " " if status.text.startswith("on ") else ": "
    return f"{status.title}{between}{status.text}" if status.text else status.title


def _last(losses: Sequence[Evaluation] | Sequence[Point], curve: Curve) -> str:
    """The last of ``losses``, with its step where the run went on after it."""
    if not losses:
        return ""
    one = losses[-1]
    return loss_text(one.loss) + (f" at step {one.step:,}" if one.step < last_step(curve) else "")


def _lowest(values: Sequence[float]) -> frozenset[int]:
    finite = [value for value in values if math.isfinite(value)]
    return frozenset(n for n, value in enumerate(values) if finite and value == min(finite))


def different_settings(runs: Sequence[ComparedRun]) -> list[tuple[str, list[str]]]:
    """Return key and values of the settings that are not the same in all runs; "" where one has none."""
    known = [one for one in runs if one.settings]
    keys = dict.fromkeys(key for one in known for key in one.settings if key not in OWN)
    found = [(key, [one.settings.get(key, "") for one in runs]) for key in keys]
    return [(key, cells) for key, cells in found if len({one.settings.get(key, "") for one in known}) > 1]
