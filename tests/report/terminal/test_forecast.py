"""The forecast on a terminal: every number with the equation that it comes from."""

from __future__ import annotations

import io

from rich.console import Console

from sanetune.report.terminal.forecast import line, rows, show
from tests.forecast import made

TRAIN = {"per_device_train_batch_size": 10, "gradient_accumulation_steps": 1, "eval_steps": 100, "save_steps": 150}


def test_every_number_has_its_equation() -> None:
    settings = made.config(train=TRAIN, budget={"devices": 1, "usd_per_device_hour": 2.0})
    found = made.forecast(settings, peak_flops=989.5e12, peak_flops_source="a data sheet", dtype="bfloat16")
    shown = {name: (value, why) for name, value, why in rows(found)}
    assert shown["steps"] == ("2 min 30 s", "300 x 500 ms")
    assert shown["evaluations"] == ("16 s", "4 x 4.0 s = 9.2 % of the run")
    assert shown["saving"][1].startswith("2 checkpoints of 2.8 GiB and the model, at 954 MiB/s")
    assert shown["whole run"] == ("2 min 53 s", "sum of the above; 2 min 53 s to 2 min 53 s")
    assert shown["cost"] == ("$0.10", "0.0481 h x 1 device x $2.00; $0.10 to $0.10")
    assert shown["tokens"] == ("2,000/s", "without padding; 800/s in the loss")
    assert shown["of the device"][1] == "6 M FLOPs per token x 2,000 tokens/s / 1 TFLOP/s measured on its matrices"
    assert shown["MFU"][1].endswith("990 TFLOP/s published in bfloat16")
    assert shown["this check"] == ("34.7 %", "1 min x 1 device / (2 min 53 s x 1 device)")


def test_what_is_not_known_is_not_shown() -> None:
    settings = made.config(train=TRAIN | {"eval_strategy": "no", "save_strategy": "no"})
    names = [
        name for name, _, _ in rows(made.forecast(settings, matmul_flops_per_second=None, disk_bytes_per_second=None))
    ]
    assert names == ["one step", "steps", "whole run", "tokens", "this check"]


def test_it_fits_eighty_columns_and_says_what_is_left_out() -> None:
    settings = made.config(train=TRAIN, budget={"devices": "8 x H100", "usd_per_device_hour": 2.5})
    out = io.StringIO()
    show(made.forecast(settings), Console(file=out, width=200, highlight=False))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    assert "! measured on 1 of 8 devices" in out.getvalue()


def test_the_line_says_it_all() -> None:
    settings = made.config(train=TRAIN, budget={"usd_per_device_hour": 2.0})
    words = "300 steps will take 2 min 53 s on 1 device, $0.10; this check took 34.7 % of that"
    assert line(made.forecast(settings)) == words
