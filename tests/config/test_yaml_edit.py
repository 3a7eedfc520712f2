"""Writing: what is read back is what was written, and a user's comments stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from sanetune.config import load, yaml_edit
from sanetune.planning.defaults import resolve
from tests.sizes import sizes

FACTS = sizes(parameters=260_032, trainable=1, hidden=64, train_examples=990, validation_examples=110, mean_tokens=120)


def test_the_resolved_configuration_reads_back_the_same(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}")
    source = {
        "model": {"name": "some/model", "adapter": "lora", "torch_dtype": "bf16"},
        "data": {
            "train": [str(tmp_path / "rows.jsonl"), {"path": "a/b", "weight": 0.5}],
            "fields": {"messages": "traj"},
        },
        "train": {"max_seq_length": 2048, "warmup_ratio": 0.1, "learning_rate": 2e-5, "lr_scheduler_kwargs": {"x": 1}},
        "run": {
            "sample_prompts": ["a: b # c", 'say "hi"\nthere', "'", "\N{SNOWMAN}"],
            "output_dir": str(tmp_path / "r"),
        },
    }
    config = resolve(load(source), FACTS)
    file = tmp_path / "config.yaml"
    file.write_text(yaml_edit.dump(config), encoding="utf-8")
    again = load(file)
    assert again.model_dump() == config.model_dump()
    assert not again.renamed


def test_every_value_says_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("model:\n  name: m\ndata:\n  train: d\ntrain:\n  max_seq_length: 64\n  learning_rate: 1e-4\n")
    text = yaml_edit.dump(resolve(load(file, ["train.seed=3"]), FACTS))
    for words in (
        "mine.yaml:7",
        "given as train.max_seq_length",
        "given on the command line",
        "inferred: ",
        "# default",
    ):
        assert words in text
    assert "max_seq_length: 64 -> train.max_length" in text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_written_so_that_it_is_read_back_exactly(number: float) -> None:
    text = yaml_edit.change("a:\n  b: 1\n", {"a.b": number})
    assert YAML(typ="safe").load(text) == {"a": {"b": number}}


@pytest.mark.parametrize(("lr", "written"), [(2e-5, "2.0e-05"), (7.4e-4, "7.4e-04"), (0.1, "0.1"), (3e-4, "3.0e-04")])
def test_small_learning_rates_are_powers_of_ten_that_every_yaml_reader_takes_for_numbers(lr, written) -> None:
    import yaml

    text = yaml_edit.change("a:\n  b: 1\n", {"a.b": lr})
    assert text == f"a:\n  b: {written}\n"
    assert yaml.safe_load(text)["a"]["b"] == lr


def test_a_change_keeps_comments_order_and_everything_else() -> None:
    text = "# mine\nmodel:\n  name: m  # the good one\n\ntrain:\n  seed: 1 # lucky\n  packing: true\n"
    new = yaml_edit.change(text, {"train.seed": 2, "data.holdout": 0.2})
    assert new == text.replace("seed: 1", "seed: 2") + "data:\n  holdout: 0.2\n"


def test_a_value_that_changes_again_and_again_notes_its_last_and_its_first_value_alone() -> None:
    text = "train:\n  learning_rate: 0.1  # a guess\n"
    for value in (0.01, 0.02, 0.03, 0.04):
        text = yaml_edit.change(text, {"train.learning_rate": value}, {"train.learning_rate": f"rule {value}"})
    assert text.splitlines()[1].split("#")[1].strip() == "was 0.03 (at first 0.1 (a guess)); changed by rule 0.04"
