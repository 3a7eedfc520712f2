"""The plan in the terminal and as drawings."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from sanetune.config import load
from sanetune.config.sizes import RunSizes
from sanetune.errors import RunError
from sanetune.planning import plan as planning
from sanetune.report.terminal import plan as view
from tests.sizes import sizes

FACTS = sizes(
    parameters=7_615_616_512, trainable=40_370_176, hidden=3584, layers=28, device="cuda", has_bf16=True, devices=8,
    train_examples=123_457, validation_examples=1_234, mean_tokens=812.3,
)  # fmt: skip


def made(known: RunSizes = FACTS, name: str = "owner/model", **train: object) -> planning.Plan:
    values = {"model": {"name": name, "adapter": "lora"}, "data": {"train": "d"}, "train": train}
    return planning.plan_with(load(values), known)


def shown(plan: planning.Plan, width: int = 80) -> str:
    out = io.StringIO()
    view.show(plan, Console(file=out, width=width, highlight=False, force_terminal=False))
    return out.getvalue()


def test_it_says_batch_steps_and_warmup_with_their_equations() -> None:
    text = shown(
        made(per_device_train_batch_size=4, gradient_accumulation_steps=8, num_train_epochs=2, warmup_steps=0.1)
    )
    for words in (
        "4 per device x 8 accumulated x 8 devices = 256",
        "123,457 / (4 x 8) = 3,859",
        "3,859 batches / 8 accumulated, rounded up = 483",
        "2 epochs x 483 = 966",
        "0.1 x 966 steps, rounded up: 97",
        "this run",
        "cosine (this run)",
        "constant_with_warmup",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("known", "train"),
    [
        (FACTS, {}),
        (FACTS, {"max_seq_length": 2048, "warmup_ratio": 0.1, "overwrite_output_dir": True}),
        (FACTS, {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}),
        (FACTS, {"lr_scheduler_type": "greedy"}),
        (FACTS, {"learning_rate": 0}),
        (sizes(parameters=5, hidden=2, train_examples=1, mean_tokens=3), {"max_steps": 1}),
    ],
)
def test_it_fits_80_columns(known: RunSizes, train: dict) -> None:
    text = shown(made(known, **train))
    assert max(map(len, text.splitlines())) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_markup_in_names_and_values_is_shown_and_not_obeyed() -> None:
    text = shown(made(name="[red]evil[/red]", hub_model_id="[link=http://x]a[/link]"))
    assert "[red]evil[/red]" in text.replace("\n", "")
    assert "[link=" in text


def test_drawings_are_a_png_and_an_svg(tmp_path: Path) -> None:
    png, svg = view.draw(made(), tmp_path / "plots")
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    text = svg.read_text()
    ElementTree.fromstring(text)
    assert "constant_with_warmup" in text
    assert view.draw(made(), tmp_path / "again")[1].read_text() == text


def test_drawings_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        view.draw(made(), tmp_path / "file")


def test_its_figures_are_plain_values() -> None:
    import json

    figures = made().to_dict()
    assert json.loads(json.dumps(figures))["steps"]["effective"] == figures["steps"]["effective"]


def test_rows_that_are_dropped_or_truncated_are_counted_in_one_line() -> None:
    incomplete = sizes(FACTS, rows=1_100, dropped_rows=948, truncated_rows=12)
    text = shown(made(incomplete, max_length=64), width=120)
    assert "! 948 of 1,100 rows are dropped and 12 of 1,100 rows are truncated" in text
    assert "rows are" not in shown(made(sizes(FACTS, rows=1_100)))
