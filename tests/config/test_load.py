"""Loading, from any source to a Config."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.config import load
from sanetune.errors import UserError
from tests.config.sources import EXAMPLES, train


def test_values_and_where_they_came_from(write) -> None:
    file = write("model:\n  name: some/model\ndata:\n  train: some/data\ntrain:\n  learning_rate: 2e-5\n")
    config = load(file, ["train.seed=7"])
    assert config.train.given == {"learning_rate": 2e-5, "seed": 7}
    assert (config.origins["train.learning_rate"].kind, config.origins["train.learning_rate"].place.line) == (
        "given",
        6,
    )
    assert config.origins["train.seed"].kind == "override"
    assert config.origins["data.holdout"].kind == "default"
    assert config.data.holdout == 0.1


def test_a_dict_and_a_config_load_as_well() -> None:
    config = load(train(learning_rate=1e-4), ["data.seed=3"])
    again = load(config, ["train.learning_rate=1e-3"])
    assert (config.train["learning_rate"], again.train["learning_rate"]) == (1e-4, 1e-3)
    assert again.data.seed == 3
    assert again.origins["data.seed"].kind == "override"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_loads(file: Path) -> None:
    assert load(file).run.name == file.stem


def test_a_configuration_that_was_written_down_says_the_same(write) -> None:
    file = write("model:\n  name: m\n  lora_r: 4\ndata:\n  train: [a/b]\ntrain:\n  max_seq_length: 8\n  seed: 3\n")
    config = load(file, ["train.seed=4"])
    again = load(config)
    assert again.model_dump() == config.model_dump()
    assert again.renamed == config.renamed
    changed = {key for key, origin in config.origins.items() if again.origins[key] != origin}
    assert not changed


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    ["name", "adapter", "train", "fields", "learning_rate", "max_seq_length", "report_to", "r", "freeze"]
)


@given(
    st.dictionaries(
        st.sampled_from(["model", "data", "train", "run", "check", "odd"]),
        st.dictionaries(names, values, max_size=4) | values,
    )
)
def test_no_values_whatever_end_in_a_traceback(source: dict) -> None:
    with contextlib.suppress(UserError):
        load(source)
