"""`sanetune plan --measure`: real steps of the embedded model, and the choice written into the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main
from sanetune.config.load import load

DEMO = Path(__file__).resolve().parents[2] / "sanetune/demo"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "c.yaml"
    file.write_text(
        f"model:\n  name: {DEMO / 'model'}\ndata:\n  train: {DEMO / 'data/train.jsonl'}\n  holdout: 0.1\n"
        "  max_examples: 160\n"
        "train:\n  use_cpu: true\n  per_device_train_batch_size: 2\n  gradient_accumulation_steps: 1\n"
        "  gradient_checkpointing: true  # the memory was short\n"
    )
    return file


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["plan", *words])


@pytest.mark.usefixtures("one_thread")
def test_the_choice_of_measured_steps_is_written_and_the_effective_batch_stays(file: Path) -> None:
    fixed = ("train.bf16=false", "train.packing=false", "train.per_device_train_batch_size=2")
    shown = run(str(file), *fixed, "--measure", "--write", "--json", str(file.with_name("m.json")))
    assert shown.exit_code == 0, shown.output
    found = json.loads(file.with_name("m.json").read_text())["measured"]
    with_it, without = found["candidates"]
    assert with_it["checkpointing"] and not without["checkpointing"]
    for one in found["candidates"]:
        steps = one["measurements"][0]
        cpu, tokens = steps["processor_seconds"], steps["tokens"]
        assert len(cpu) == len(tokens) == 3 and len(steps["losses"]) == 4
        slowest = min(sum(turn["tokens"]) / sum(turn["processor_seconds"]) for turn in one["measurements"])
        assert one["tokens_per_second"] == pytest.approx(slowest)
        # 1.1 million weights of 4 bytes, a gradient and two moments of each.
        assert one["forecast_bytes"] > 4 * 4 * 1_100_000
        assert 1_100_000 * 4 < one["peak_bytes"] < 2**30
        assert one["loss"] == pytest.approx(with_it["loss"], rel=1e-4) and one["step_tokens"] > 0
    config = load(file)
    assert config.train.given["per_device_train_batch_size"] == 2
    if found["chosen"] == found["present"]:  # a machine on which computing twice costs nothing
        assert not found["changes"] and "stays as it is" in shown.output
        return
    assert found["changes"] == {"train.activation_checkpointing": False}
    assert config.train.given["activation_checkpointing"] is False and not config.renamed
    assert "sanetune plan --measure" in file.read_text()
    assert "gradient_checkpointing: true  # the memory was short" in Path(found["backup"]).read_text()


@pytest.mark.parametrize("words", [["--write"], ["--measure", "--forecast"], ["--measure", "--device", "H100"]])
def test_options_that_do_not_go_together_are_refused(file: Path, words: list[str]) -> None:
    result = run(str(file), *words)
    assert result.exit_code == 2 and "--measure" in result.output and "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layers", "--device", "H100"], "leave --device out"),
        (["--layers", "--forecast", "--device", "8 x H100"], "leave --forecast, --device out"),
        (["--layers", "--sharding", "fsdp"], "leave --sharding out"),
        (["--layers", "--measure"], "give one of them"),
        (["--measure", "--forecast"], "leave --forecast out"),
        (["--measure", "--plots", "p"], "--plots draws schedules or layers"),
    ],
)
def test_options_of_another_view_are_refused_by_name(words: list[str], said: str, file: Path) -> None:
    shown = run(str(file), *words)
    assert shown.exit_code == 2 and said in " ".join(shown.output.split())
