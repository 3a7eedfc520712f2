"""Keys that have been renamed or removed."""

from __future__ import annotations

from pathlib import Path

from sanetune.config.load import load
from sanetune.finding import Verdict
from tests.checks.run_numbers import find

EXAMPLES = Path(__file__).parents[3] / "examples"
NAME = "config-renamed-key"


def test_the_textbook_by_old_names_gives_exactly_its_renamed_keys() -> None:
    finding = find(NAME, config=load(EXAMPLES / "textbook-old-names.yaml"))
    assert finding.verdict is Verdict.WARN
    assert [(one["old"], one["new"]) for one in finding.numbers["renamed"]] == [
        ("train.max_seq_length", "train.max_length"),
        ("train.warmup_ratio", "train.warmup_steps"),
        ("train.gradient_checkpointing", "train.activation_checkpointing"),
        ("train.report_to", "run.trackers"),
        ("train.evaluation_strategy", "train.eval_strategy"),
    ]
    assert finding.fix == {
        "train.max_length": 2048,
        "train.warmup_steps": 0.1,
        "train.activation_checkpointing": True,
        "run.trackers": ["tensorboard"],
        "train.eval_strategy": "steps",
    }
    assert "5 keys have" in finding.message
    assert "train.max_seq_length (textbook-old-names.yaml:10) is max_length" in finding.message
    lines = (EXAMPLES / "textbook-old-names.yaml").read_text().splitlines()
    assert all(witness.text.split(":")[0] in lines[witness.place.line - 1] for witness in finding.witnesses)


def test_todays_textbook_passes() -> None:
    for name in ("textbook.yaml", "full.yaml", "lora.yaml", "qlora.yaml", "tools.yaml"):
        assert find(NAME, config=load(EXAMPLES / name)).verdict is Verdict.PASS


def test_keys_that_do_nothing_and_nested_ones(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "model:\n  name: m\n  lora_r: 8\n  torch_dtype: bfloat16\ndata:\n  train: d.jsonl\n"
        "train:\n  save_safetensors: true\n  group_by_length: true\n  dispatch_batches: false\n"
    )
    finding = find(NAME, config=load(file))
    assert finding.fix == {
        "model.adapter.r": 8,
        "model.dtype": "bfloat16",
        "train.train_sampling_strategy": "group_by_length",
        "train.accelerator_config.dispatch_batches": False,
    }
    assert "train.save_safetensors (run.yaml:8) has no effect" in finding.message


def test_paths_are_proposed_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("model:\n  model_name_or_path: ./tiny\ndata:\n  train: d.jsonl\n")
    assert find(NAME, config=load(file)).fix == {"model.name": "./tiny"}


def test_without_a_file_there_are_no_places() -> None:
    config = load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}, "train": {"max_seq_length": 64}})
    finding = find(NAME, config=config)
    assert finding.message == "1 key has been renamed or removed: train.max_seq_length is max_length."
    assert finding.witnesses[0].place is None


def test_more_than_five_are_counted() -> None:
    old = {"max_seq_length": 64, "evaluation_strategy": "no", "no_cuda": True, "save_safetensors": True}
    old |= {"logging_dir": "x", "use_ipex": False, "report_to": "none"}
    finding = find(NAME, config=load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}, "train": old}))
    assert "7 keys have" in finding.message and "and 2 more" in finding.message and len(finding.witnesses) == 5
