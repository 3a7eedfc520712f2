from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.report.plots import draw, smooth


def a_run(steps: int) -> Curve:
    points, evaluations = [], [Evaluation(0, 3.1)]
    for step in range(1, steps + 1):
        loss = 1 + 2 * math.exp(-step / 40) + 0.1 * math.sin(step * 1.7)
        points.append(Point(step, loss, 1e-3 * (1 - step / steps), 1 + 30 / step, step / 50))
        if step % 20 == 0:
            evaluations.append(Evaluation(step, loss + 0.1))
    return Curve(points, evaluations)


@pytest.mark.parametrize("steps", [1, 10, 200])
def test_every_curve_is_drawn_as_png_and_svg(tmp_path: Path, steps: int) -> None:
    written = draw(a_run(steps), tmp_path, lowest_step=steps)
    names = [
        f"{name}.{kind}" for name in ("loss", "learning_rate", "gradient_norm", "curves") for kind in ("png", "svg")
    ]
    assert [path.name for path in written] == names
    for path in written:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert content[:8] == b"\x89PNG\r\n\x1a\n"
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_the_same_curve_gives_the_same_svg(tmp_path: Path) -> None:
    first, second = (draw(a_run(20), tmp_path / name)[1].read_bytes() for name in "ab")
    assert first == second


def test_nothing_to_draw_draws_nothing(tmp_path: Path) -> None:
    assert draw(Curve(), tmp_path) == []
    assert draw(Curve([Point(1, math.nan)]), tmp_path) == []


def test_lost_losses_are_marked_and_drawing_goes_on(tmp_path: Path) -> None:
    curve = a_run(10)
    curve.points.append(Point(11, math.nan, 1e-4, math.inf))
    draw(curve, tmp_path)
    assert "loss not finite (1)" in (tmp_path / "loss.svg").read_text()


def test_smoothing_keeps_ends_and_lines() -> None:
    assert smooth([1.0, 2.0, 3.0, 4.0, 5.0], 2) == pytest.approx([1, 2, 3, 4, 5])
    assert smooth([7.0], 3) == [7.0]
