"""Overrides: how they are typed, what they replace, and what is said about one that is none."""

from __future__ import annotations

import pytest

from sanetune.config import load
from sanetune.config.origin import OriginKind
from sanetune.config.override import apply_override, read_override
from sanetune.config.source import read_source
from tests.config.sources import LEAST, refusal, train


def test_an_override_replaces_a_whole_mapping_or_a_part_of_it() -> None:
    draft = read_source({"data": {"fields": {"messages": "a", "tools": "b"}}})
    part = apply_override(draft, read_override("data.fields.messages=c"))
    whole = apply_override(draft, read_override("data.fields={messages: c}"))
    assert part.values == {"data": {"fields": {"messages": "c", "tools": "b"}}}
    assert whole.values == {"data": {"fields": {"messages": "c"}}}
    assert draft.values == {"data": {"fields": {"messages": "a", "tools": "b"}}}
    assert [part.origins[f"data.fields.{key}"].kind for key in ("messages", "tools")] == ["override", "given"]
    assert list(whole.origins) == ["data.fields"]


def test_null_is_a_value(write) -> None:
    draft = read_source(train(max_length=64))
    assert apply_override(draft, read_override("train.max_length=null")).values["train"] == {"max_length": None}


def test_an_error_in_an_override_names_it(write) -> None:
    file = write("model:\n  name: m\n  adapter:\n    r: 8\n    alpha: 0\ndata:\n  train: d\n")
    assert str(refusal(file, ["model.adapter.alpha=1", "model.adapter.r=0"]).place) == "override model.adapter.r"
    assert str(refusal(file, ["model.adapter.r=4"]).place) == f"{file}:5"
    assert str(refusal(file, ["train.max_seq_length=0"]).place) == "override train.max_seq_length"


def test_an_old_name_in_an_override_is_an_override_still() -> None:
    origin = load(LEAST, ["train.max_seq_length=8"]).origins["train.max_length"]
    assert (origin.kind, origin.on_command_line) == (OriginKind.RENAMED, True)
    assert str(origin) == "given on the command line as train.max_seq_length"


def test_an_override_wins_over_the_other_name_in_the_file() -> None:
    assert load(train(max_seq_length=512), ["train.max_length=64"]).train["max_length"] == 64
    assert load(train(max_length=512), ["train.max_seq_length=64"]).train["max_length"] == 64


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("train.learning_rate=2e-5", 2e-5),
        ("train.packing=true", True),
        ("train.max_length=null", None),
        ("train.lr_scheduler_kwargs={num_cycles: 2}", {"num_cycles": 2}),
        ("train.neftune_noise_alpha=5", 5),
        ("train.hub_model_id='a: b'", "a: b"),
    ],
)
def test_overrides_are_typed_as_in_yaml(text, want) -> None:
    assert load(LEAST, [text]).train.given[text.split("=")[0].split(".")[1]] == want


def test_an_override_reaches_into_a_mapping() -> None:
    config = load(
        {**LEAST, "model": {"name": "m", "adapter": "lora"}}, ["model.adapter.r=4", "data.fields.messages=traj"]
    )
    assert config.model.adapter.r == 4
    assert config.data.fields == {"messages": "traj"}


@pytest.mark.parametrize("text", ["learning_rate=1", "train.x", "=3", "train.=3", ".x=3", "train.seed=[1", "nope.x=3"])
def test_an_override_that_is_none_is_reported(text) -> None:
    assert refusal(LEAST, [text]).remedy
