"""`sanetune plan --forecast` and `--device`: memory, time and cost before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main

DEMO = Path(__file__).resolve().parents[2] / "sanetune/demo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text(
        f"model:\n  name: {DEMO / 'model'}\ndata:\n  train: {DEMO / 'data/train.jsonl'}\n  holdout: 0.1\n"
        "  max_examples: 160\ntrain:\n  use_cpu: true\nbudget:\n  usd_per_device_hour: 36000\n"
    )
    return tmp_path


def run(*words: str) -> str:
    result = CliRunner().invoke(main, ["plan", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_named_device_is_planned_and_forecast_for(folder: Path) -> None:
    file = folder / "plan.json"
    large = "train.gradient_accumulation_steps=65536"
    shown = run(str(folder / "c.yaml"), large, "--device", "8 x H100", "--sharding", "fsdp", "--json", str(file))
    assert "Forecast on 8 x H100, without loading the model" in shown and "fsdp on 8 devices" in shown
    written = json.loads(file.read_text())
    found = written["forecast"]
    assert written["facts"]["devices"] == 8 and written["values"]["train.bf16"]["value"] is True
    assert found["memory"]["device"] == 80 * 10**9 and 0 < found["memory"]["peak"] < 10**9
    # 36,000 dollars an hour are 10 a second, for each of 8 devices.
    hours, dollars = found["hours"]["middle"], found["usd"]["middle"]
    assert dollars == pytest.approx(hours * 8 * 36000)
    assert found["step_seconds"]["low"] < found["step_seconds"]["middle"] < found["step_seconds"]["high"]
    assert hours * 3600 == pytest.approx(found["step_seconds"]["middle"] * found["steps"])


def test_seconds_of_a_tiny_step_are_not_made_up(folder: Path) -> None:
    shown = run(str(folder / "c.yaml"), "--device", "H100")
    assert "seconds are not forecast" in shown and "all steps" not in shown


@pytest.mark.parametrize("device", ["0 x H100", "-1 x H100", "", "0 H100", "H100 x 0"])
def test_no_device_at_all_is_refused(folder: Path, device: str) -> None:
    result = CliRunner().invoke(main, ["plan", str(folder / "c.yaml"), "--device", device])
    assert result.exit_code == 2 and "names no device" in result.output


@pytest.mark.parametrize(("device", "words"), [("H100 8", "8"), ("A100 80 GB", "80, gb"), ("2 x 4090 Ti", "ti")])
def test_words_that_a_device_is_not_known_by_are_refused(folder: Path, device: str, words: str) -> None:
    result = CliRunner().invoke(main, ["plan", str(folder / "c.yaml"), "--device", device])
    assert result.exit_code == 2 and f"has words that are not understood: {words}." in " ".join(result.output.split())


@pytest.mark.parametrize(("device", "shown"), [("H100 x 8", "8 x H100"), ("80GB A100", "Forecast on A100 80GB")])
def test_number_and_memory_are_understood_on_either_side_of_the_name(folder: Path, device: str, shown: str) -> None:
    assert shown in run(str(folder / "c.yaml"), "--device", device)


def test_weights_need_not_be_there(folder: Path) -> None:
    bare = folder / "bare"
    bare.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (DEMO / "model" / name).is_file():
            (bare / name).write_bytes((DEMO / "model" / name).read_bytes())
    assert "peak" in run(str(folder / "c.yaml"), f"model.name={bare}", "--forecast")


def test_a_kind_that_looks_like_a_number_is_a_kind(folder: Path) -> None:
    assert "Forecast on RTX 4090" in run(str(folder / "c.yaml"), "--device", "4090")


def test_an_unknown_device_is_refused_with_those_that_are_known(folder: Path) -> None:
    result = CliRunner().invoke(main, ["plan", str(folder / "c.yaml"), "--device", "K80"])
    assert result.exit_code == 2
    assert "There is no device 'K80' in the table" in result.output and "A100 80GB" in result.output
