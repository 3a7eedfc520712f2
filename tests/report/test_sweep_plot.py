"""The plot of a sweep."""

from __future__ import annotations

import math
from pathlib import Path

from sanetune.report.sweep_plot import draw
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
