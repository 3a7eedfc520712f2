"""Values in nested mappings."""

from __future__ import annotations

from sanetune.config.nested import contains, drop, find, leaves, put


def test_put_makes_the_mappings_on_the_way() -> None:
    values: dict = {"model": {"adapter": "lora"}, "train": None}
    put(values, "model.adapter.r", 8)
    put(values, "train.seed", 1)
    assert values == {"model": {"adapter": {"type": "lora", "r": 8}}, "train": {"seed": 1}}


def test_find_and_contains() -> None:
    values: dict = {"train": {"max_length": None, "seed": 1}}
    assert (find(values, "train.seed"), find(values, "train.max_length"), find(values, "train.seed.x")) == (
        1,
        None,
        None,
    )
    assert [contains(values, path) for path in ("train", "train.max_length", "train.x", "x.y")] == [
        True,
        True,
        False,
        False,
    ]


def test_drop_removes_what_it_empties_below_a_section() -> None:
    values: dict = {"train": {"model_init_kwargs": {"torch_dtype": "x"}}}
    drop(values, "train.model_init_kwargs.torch_dtype")
    drop(values, "model.name")
    assert values == {"train": {}}


def test_leaves_of_a_section_that_is_none() -> None:
    assert leaves(1, "odd") == ["odd"]
    assert leaves({}, "train") == []
