"""The plot of a sweep."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes

from sanetune.report.sweep_plot import _by_lr, _curves, draw
from tests.workflows.sweep.made import sweep, trial


def test_it_names_the_trials_and_both_axes_and_is_the_same_each_time(tmp_path: Path) -> None:
    lora = {"model.adapter": "lora"}
    found = sweep(
        *(trial(lr, 1 + abs(math.log10(lr / 1e-3))) for lr in (1e-4, 1e-3, 1e-2)),
        *(trial(lr, 1.5 + abs(math.log10(lr / 1e-2)), changes=lora) for lr in (1e-3, 1e-2)),
        trial(1.0, math.nan, state="diverged"),
        critical_lr=2e-2,
    )
    files = draw(found, tmp_path / "one")
    assert [file.name for file in files] == ["sweep.png", "sweep.svg"]
    text = files[1].read_text()
    for words in ("learning_rate=0.001", "adapter=lora", "learning rate", "nats per token", "critical"):
        assert words in text
    assert draw(found, tmp_path / "two")[1].read_bytes() == files[1].read_bytes()


def test_without_a_finite_loss_nothing_is_drawn(tmp_path: Path) -> None:
    bad = trial(1.0, math.nan, state="diverged")
    bad.curve.clear()
    assert draw(sweep(bad), tmp_path / "none") == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("ends", [3.0, 3.5])
def test_where_no_trial_has_lowered_the_loss_all_is_in_the_picture(ends: float, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    found = sweep(trial(1.0, ends, state="diverged"), trial(2.0, ends, state="diverged"))
    for one in found.trials:
        one.curve[:] = [(0, ends)]
    for part in (_curves, _by_lr):
        axes = Figure().subplots()
        part(axes, found, found.trials)
        bottom, top = axes.get_ylim()
        assert bottom < 3.0 <= ends < top
    assert len(draw(found, tmp_path)) == 2


def test_a_trial_has_the_same_colour_in_both_pictures() -> None:
    from matplotlib.colors import to_hex
    from matplotlib.figure import Figure

    lora = {"model.adapter": "lora"}
    found = sweep(trial(1e-4, 1.5), trial(1e-3, 1.0), trial(1e-2, 1.2, changes=lora), trial(1e-1, 2.0, changes=lora))
    left, right = Figure().subplots(1, 2)
    _curves(left, found, found.trials)
    _by_lr(right, found, found.trials)
    curves = {to_hex(line.get_color()) for line in left.get_lines()}
    points = {to_hex(one.lines[0].get_color()) for one in right.containers}
    assert len(curves) == 4 and points == curves


def test_trials_that_ended_early_are_hollow_and_their_losses_are_in_no_line() -> None:
    from matplotlib.figure import Figure

    found = sweep(trial(1e-4, 1.5), trial(1e-3, 1.0), trial(1e-2, 0.5, state="pruned"))
    axes = Figure().subplots()
    _by_lr(axes, found, found.trials)
    hollow = {one.lines[0].get_xdata()[0]: one.lines[0].get_markerfacecolor() == "none" for one in axes.containers}
    assert hollow == {1e-4: False, 1e-3: False, 1e-2: True}
    assert max(len(line.get_xdata()) for line in axes.get_lines()) == 2
    assert all(0.5 not in line.get_ydata() for line in axes.get_lines() if len(line.get_xdata()) == 2)
    legend = axes.get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == ["not all its steps"]


def names(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    ("losses", "words"), [([505.0], "505"), ([505.0, 680.0], "505 or more"), ([math.nan], "not finite")]
)
def test_trials_above_the_pictures_are_named_and_marked_at_their_edge(losses: list[float], words: str) -> None:
    from matplotlib.figure import Figure

    early = [trial(3.0 + n, loss, state="diverged") for n, loss in enumerate(losses)]
    found = sweep(trial(1e-4, 1.5), trial(1e-3, 1.0), *early)
    left, right = Figure().subplots(1, 2)
    _curves(left, found, found.trials)
    _by_lr(right, found, found.trials)
    assert f"learning_rate=3.0: diverged at step 10, loss {words.split(' or')[0]}" in names(left)
    assert names(right) == [f"above the picture: {words}"]
    marked = [line for line in right.get_lines() if line.get_marker() == "^" and len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in marked] == [one.lr for one in early]
    assert all(line.get_transform() == right.get_xaxis_transform() for line in marked)
    assert {line.get_ydata()[0] for line in marked} == {1}, "the upper edge"


def test_trials_that_all_diverged_are_in_both_pictures() -> None:
    from matplotlib.figure import Figure

    found = sweep(trial(3.0, 417.0, state="diverged"), trial(5.0, 1152.0, state="diverged"))
    for part in (_curves, _by_lr):
        axes = Figure().subplots()
        part(axes, found, found.trials)
        assert axes.get_ylim()[1] > 1152
        assert not any("above the picture" in name for name in names(axes))


def test_the_legend_counts_the_trials_that_it_does_not_name() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    found = sweep(*(trial(10.0**-n, 1.0 + n / 10) for n in range(1, 12)))
    _curves(axes, found, found.trials)
    assert len(names(axes)) == 9 and names(axes)[-1] == "and 3 more"


PATTERNS = [f"layers.{n}.self_attn.{part}_proj" for n in range(9) for part in "qkvo"]


@pytest.mark.filterwarnings("error")
def test_patterns_of_hundreds_of_characters_have_letters_that_a_key_explains(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    choices: list[Any] = [None, ["layers.2"], PATTERNS[:7], PATTERNS]
    found = sweep(
        *(
            trial(lr, 1 + n / 10 + lr, changes={"model.adapter": adapter, "model.train_only": choice})
            for lr, adapter in ((1e-4, None), (1e-3, "lora"))
            for n, choice in enumerate(choices)
        )
    )
    left, right = Figure().subplots(1, 2)
    _curves(left, found, found.trials)
    _by_lr(right, found, found.trials)
    said = [name.replace("\n", " ") for name in names(left)]
    assert "learning_rate=0.001, adapter=lora, train_only=layers.2" in said
    assert "learning_rate=0.001, adapter=lora, train_only=B" in said
    assert "adapter=none, train_only=A" in names(right) and len(names(right)) == 8
    assert max(len(line) for name in [*names(left), *names(right)] for line in name.split("\n")) <= 70
    drawn = draw(found, tmp_path)[1].read_text()
    assert "train_only=A: layers.0.self_attn.q_proj, layers.0" in drawn and "train_only=B: layers.0" in drawn
    width, height = (float(one) for one in re.findall(r'(?:width|height)="([\d.]+)pt"', drawn)[:2])
    assert height < width, "the key is cut where it is longer than the picture"


@pytest.mark.filterwarnings("error")
def test_a_picture_with_many_long_names_keeps_its_axes(tmp_path: Path) -> None:
    changes = {f"train.{name}": 0.123456 for name in ("weight_decay", "warmup_ratio", "max_grad_norm", "adam_beta2")}
    found = sweep(*(trial(10.0**-n, 1 + n / 10, state="pruned", changes=changes) for n in range(1, 10)))
    assert len(draw(found, tmp_path)) == 2


@pytest.mark.parametrize("worst", [2.9, 9.0])
def test_the_bars_of_trials_that_learn_are_whole(worst: float) -> None:
    from matplotlib.figure import Figure

    found = sweep(trial(1e-3, 1.0, noise=0.3), trial(2e-3, 1.1, noise=0.9, seed=1), trial(1.0, worst, noise=9, seed=2))
    axes = Figure().subplots()
    _by_lr(axes, found, found.trials)
    of_second = next(one for one in found.against_best() if one.trial.lr == 2e-3).difference
    assert of_second is not None
    low, high = of_second.interval()
    assert axes.get_ylim()[0] < 1.1 - (high - low) / 2 < 1 - 0.08 * 2, "the bar is longer than the room of before"
