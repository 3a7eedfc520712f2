"""What a sweep varies is read from the command line."""

from __future__ import annotations

import pytest

from sanetune.config.load import load
from sanetune.errors import ConfigError
from sanetune.workflows.sweep.space import LR, adapter_settings, as_overrides, read_space, resolve_name, short_name

BASE = {"model": {"name": "owner/model"}, "data": {"train": "owner/data"}}


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("learning_rate", LR),
        ("lr", LR),
        ("lora_r", "model.adapter.r"),
        ("lora_alpha", "model.adapter.alpha"),
        ("adapter", "model.adapter"),
        ("freeze", "model.freeze"),
        ("neftune_noise_alpha", "train.neftune_noise_alpha"),
        ("seed", "train.seed"),
        ("model.adapter.dropout", "model.adapter.dropout"),
    ],
)
def test_short_names_and_those_of_other_tools_are_known(name: str, key: str) -> None:
    assert resolve_name(name) == key


def test_a_wrong_name_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError) as caught:
        read_space(["learning_rte=1,2"])
    assert "train.learning_rate" in caught.value.remedy


def test_every_combination_is_tried_once_and_an_adapter_that_is_not_there_has_no_settings() -> None:
    grid = read_space(["adapter=none,lora", "lora_r=8,32", "learning_rate=1e-5,1e-4"]).grid()
    assert len(grid) == 6
    assert [one for one in grid if one["model.adapter"] is None] == [
        {"model.adapter": None, LR: 1e-5},
        {"model.adapter": None, LR: 1e-4},
    ]


def test_each_combination_loads_as_it_says() -> None:
    for changes in read_space(["adapter=none,lora", "lora_r=8,32", "neftune_noise_alpha=none,5"]).grid():
        config = load(BASE, list(as_overrides(changes)))
        adapter = config.model.adapter
        assert (adapter is None) == (changes["model.adapter"] is None)
        assert adapter is None or adapter.r == changes["model.adapter.r"]
        assert config.train.get("neftune_noise_alpha") == changes["train.neftune_noise_alpha"]


OWN = {"type": "lora", "r": 64, "alpha": 128, "target": ["q_proj"]}


@pytest.mark.parametrize(
    ("words", "ranks"),
    [
        (["adapter=none,lora"], [None, 64]),
        (["lora_r=4,8", "adapter=lora,none"], [4, None, 8]),
        (["lora_r=4", "adapter=none,lora"], [None, 4]),
        (["lora_r=4", "adapter=lora", "learning_rate=1e-4,1e-3"], [4, 4]),
        (["adapter=lora", "learning_rate=1e-4,1e-3"], [64, 64]),
    ],
)
def test_a_trial_with_lora_has_the_settings_of_the_configuration_and_of_the_words_in_any_order(
    words: list[str], ranks: list[int | None]
) -> None:
    space = read_space(words)
    shared = load({**BASE, "model": {**BASE["model"], "adapter": OWN}}, list(space.fixed))
    adapters = [load(shared, list(as_overrides(changes))).model.adapter for changes in space.grid()]
    assert [one and one.r for one in adapters] == ranks
    assert all(one is None or (one.alpha, one.target) == (128, ["q_proj"]) for one in adapters)


def test_freeze_patterns_are_values_and_lists_of_them_in_brackets() -> None:
    space = read_space(["freeze=none,layers.[0-3],[embed_tokens,lm_head]"])
    assert space.parameters[0].values == (None, "layers.[0-3]", ["embed_tokens", "lm_head"])


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["lora_r=8,32", "learning_rate=1e-4,1e-3"], ["model.adapter.r"]),
        (["learning_rate=1e-4,1e-3", "lora_alpha=8"], ["model.adapter.alpha"]),
        (["adapter=none,lora", "lora_r=8,32"], []),
        (["adapter=lora", "lora_r=8,32"], []),
        (["model.adapter.type=lora", "lora_r=8,32"], []),
        (["learning_rate=1e-4,1e-3"], []),
    ],
)
def test_settings_of_an_adapter_are_known_that_say_nothing_of_the_adapter_itself(
    words: list[str], keys: list[str]
) -> None:
    assert adapter_settings(read_space(words)) == keys


@pytest.mark.parametrize("name", ["lora_r", "lora_dropout", "model.adapter.dora", "learning_rate", "freeze"])
def test_what_a_label_calls_a_key_can_be_typed(name: str) -> None:
    assert short_name(resolve_name(name)) == name


def test_one_value_is_an_override_and_a_range_is_searched() -> None:
    space = read_space(["learning_rate=1e-6..1e-3", "lora_r=4..64", "max_steps=50"])
    assert space.searched
    assert space.fixed == ("train.max_steps=50",)
    first, second = space.parameters
    assert (first.low, first.high, first.whole) == (1e-6, 1e-3, False)
    assert (second.low, second.high, second.whole) == (4, 64, True)


def test_none_as_the_one_value_of_a_key_is_no_value_as_it_is_in_a_list() -> None:
    space = read_space(["learning_rate=1e-4,1e-3", "adapter=none", "neftune_noise_alpha=None", "run.trackers=none"])
    config = load({**BASE, "model": {**BASE["model"], "adapter": OWN}}, list(space.fixed))
    assert (config.model.adapter, config.train.get("neftune_noise_alpha")) == (None, None)
    assert config.run.trackers == ["none"], "a word that a run understands"


@pytest.mark.parametrize("word", ["lora_r=8,32", "lora_r=8"])
def test_settings_of_an_adapter_that_no_trial_has_are_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=r"adapter=none is given beside model\.adapter\.r"):
        read_space([word, "adapter=none", "learning_rate=1e-4,1e-3"])


@pytest.mark.parametrize(
    ("raw", "ends"),
    [
        ("4..64", (4, 64, True)),
        ("4..6.5", (4, 6.5, False)),
        (".05..0.2", (0.05, 0.2, False)),
        ("1E-6..1", (1e-6, 1, False)),
    ],
)
def test_a_range_has_whole_numbers_where_both_its_ends_are(raw: str, ends: tuple[float, float, bool]) -> None:
    (found,) = read_space([f"train.weight_decay={raw}"]).parameters
    assert (found.low, found.high, found.whole) == ends


@pytest.mark.parametrize(
    "word",
    ["data.train=a/../b.jsonl", "data.train=../rows..v2.jsonl", "data.train=1..2.jsonl", "model.freeze=[layers.0..x]"],
)
def test_two_dots_make_a_range_between_numbers_only(word: str) -> None:
    assert read_space([word, "learning_rate=1e-4,1e-3"]).fixed == (word,)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("learning_rate", "has not the form"),
        ("learning_rate=", "has not the form"),
        ("learning_rate=1e-3..1e-5", "no range"),
        ("learning_rate=0..1", "no range"),
        ("learning_rate=-1..1", "no range"),
        ("learning_rate=1..1e999", "no range"),
        ("learning_rate=1e-5,1e-5", "twice"),
        ("learning_rate=1e-3,", "comma with no value"),
        ("learning_rate=,1e-3", "comma with no value"),
        ("adapter=none,,lora", "comma with no value"),
        ("data.holdout=0.1,0.2", "cannot be swept"),
        ("max_length=128,256", "cannot be swept"),
        ("run.name=a,b", "cannot be swept"),
    ],
)
def test_what_cannot_be_swept_is_refused_with_a_reason(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_space([word])


def test_an_adapter_that_there_is_not_is_told_with_all_that_there_are() -> None:
    for word in ("adapter=foo", "adapter=none,lora,foo"):
        with pytest.raises(ConfigError, match="adapter=foo is no adapter") as caught:
            read_space([word])
        assert "Give none or lora" in caught.value.remedy
    with pytest.raises(ConfigError) as caught:
        read_space(["adapter=lorra"])
    assert caught.value.remedy.startswith("Did you mean lora?")
    assert read_space(["adapter=none,lora,{r: 4}"]).parameters[0].values == (None, "lora", {"r": 4})
