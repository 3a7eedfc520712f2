from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sanetune.config.schema import ModelSection
from sanetune.engine import models
from sanetune.engine.adapters import matching
from sanetune.errors import ConfigError, ModelError


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    """A copy of the model to break."""
    return Path(shutil.copytree(base, tmp_path / "model"))


def section(name: str | Path, **more: Any) -> ModelSection:
    return ModelSection(name=str(name), **more)


def edit(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_loads_a_folder_with_its_own_dtype_or_the_one_asked_for(base: Path) -> None:
    assert models.load_model(section(base)).dtype == torch.float32
    assert models.load_model(section(base), dtype="bfloat16").dtype == torch.bfloat16
    assert models.load_model(section(base, attention="eager")).config._attn_implementation == "eager"


def test_facts_count_tied_weights_once(base: Path) -> None:
    sizes = models.sizes_of(models.load_model(section(base)))
    assert (sizes.parameters, sizes.trainable, sizes.layers, sizes.hidden) == (260_032, 260_032, 5, 64)
    assert (sizes.vocabulary, sizes.context, sizes.stored_dtype) == (512, 512, "float32")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "has no weights"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "only as a pickle"),
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "config.json").write_text("{broken"), "not valid JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "no model_type"),
        (lambda f: (f / "model.safetensors").write_bytes(b"version https://git-lfs"), "cannot be read as safetensors"),
        (lambda f: (f / "model.safetensors").open("r+b").truncate(100_000), "cannot be read as safetensors"),
        (lambda f: edit(f, hidden_size=128), "other shapes"),
        (lambda f: edit(f, num_hidden_layers=6), "9 weights of"),
        (lambda f: edit(f, model_type="t5"), "not a causal language model"),
        (lambda f: edit(f, model_type="invented"), "does not know the architecture"),
        (lambda f: (f / "config.json").rename(f / "adapter_config.json"), "holds an adapter"),
    ],
)
def test_a_folder_that_is_no_whole_model_is_a_model_error(
    folder: Path, spoil: Callable[[Path], Any], words: str
) -> None:
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        models.load_model(section(folder))
    assert words in str(caught.value)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"model-00002-of-00002\.safetensors is missing"):
        models.load_model(section(folder))


def test_an_index_that_points_outside_its_folder_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../../etc/passwd"}}')
    with pytest.raises(ModelError, match="outside its folder"):
        models.load_model(section(folder))


@pytest.mark.parametrize("name", ["./not/here/at/all", "/no/such/folder", "three/part/name", "bad name!"])
def test_a_name_that_is_neither_folder_nor_id_is_reported_at_once(name: str) -> None:
    with pytest.raises(ModelError, match="no model folder"):
        models.load_model(section(name))


def test_an_id_that_cannot_be_found_is_a_model_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    def unreachable(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(HfApi, "model_info", unreachable)
    with pytest.raises(ModelError, match="not in the Hub's cache, and the Hub cannot be reached"):
        models.load_model(section("nobody/no-such-model"))


def test_an_unknown_attention_is_a_model_error(base: Path) -> None:
    with pytest.raises(ModelError, match="'flashy'"):
        models.load_model(section(base, attention="flashy"))


def test_code_from_a_repository_needs_a_pinned_revision(base: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.revision is not set"):
        models.load_model(section(base, trust_remote_code=True))


def test_quantization_without_bitsandbytes_is_a_model_error(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="needs bitsandbytes, which is not installed"):
        models.load_model(section(base, quantization="4bit", adapter="lora"), device="cpu")


def test_the_embedding_grows_to_the_tokenizer_and_says_so(base: Path, tokenizer: Any) -> None:
    import copy

    model = models.load_model(section(base))
    assert models.fit_to_tokenizer(model, tokenizer) is None
    larger = copy.deepcopy(tokenizer)
    larger.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    words = models.fit_to_tokenizer(model, larger)
    assert words is not None
    assert "512 to 514" in words
    assert model.get_output_embeddings().weight.shape[0] == 514


def test_an_embedding_that_zero_3_has_divided_is_as_large_as_before(base: Path, tokenizer: Any) -> None:
    model = models.load_model(section(base))
    weight = model.get_input_embeddings().weight
    weight.ds_shape, whole = weight.shape, weight.data
    weight.data = torch.empty(0)
    assert models.fit_to_tokenizer(model, tokenizer) is None
    assert model.get_input_embeddings().weight is weight and whole.shape[0] >= len(tokenizer)


def test_weights_that_zero_3_has_divided_count_as_whole(base: Path) -> None:
    model = models.load_model(section(base))
    whole = sum(weight.numel() for weight in model.parameters())
    for weight in model.parameters():
        weight.ds_numel, weight.data = weight.numel(), torch.empty(0)
    _, frozen = models.make_trainable(model, section(base, freeze=["embed_tokens"]))
    assert frozen.parameters == models.sizes_of(model).parameters == whole
    assert 0 < frozen.trainable == models.sizes_of(model).trainable < whole


def test_new_rows_of_the_embedding_are_the_same_ones_in_every_process_and_take_nothing_from_its_random_state(
    base: Path, tokenizer: Any
) -> None:
    import copy

    larger = copy.deepcopy(tokenizer)
    larger.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    rows = []
    for seed in (1, 2):
        model = models.load_model(section(base))
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        models.fit_to_tokenizer(model, larger)
        assert torch.equal(before, torch.get_rng_state())
        rows.append(model.get_input_embeddings().weight[-2:].detach())
    assert torch.equal(*rows)
    assert not torch.equal(rows[0][0], rows[0][1])


def test_lora_takes_every_linear_layer_but_the_head_by_default(base: Path) -> None:
    tuned, frozen = models.make_trainable(models.load_model(section(base)), section(base, adapter="lora"))
    trained = {n.split(".lora_")[0].split(".")[-1] for n, p in tuned.named_parameters() if p.requires_grad}
    assert trained == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert 0 < frozen.trainable < frozen.parameters


@pytest.mark.parametrize("flag", ["dora", "rslora"])
def test_lora_variants_and_targets_by_pattern(base: Path, flag: str) -> None:
    adapter = {"type": "lora", "r": 4, "target": ["layers.[0-1].self_attn.q_proj"], flag: True}
    tuned, _ = models.make_trainable(models.load_model(section(base)), section(base, adapter=adapter))
    assert sorted(tuned.targeted_module_names) == [f"model.layers.{i}.self_attn.q_proj" for i in range(2)]
    assert getattr(tuned.peft_config["default"], f"use_{flag}")


@pytest.mark.parametrize(
    ("adapter", "words"),
    [
        ({"type": "lora", "target": ["query_proj"]}, "matches none"),
        ({"type": "lora", "target": ["lm_head"]}, "output head"),
        ({"type": "lora", "modules_to_save": ["classifier"]}, "matches none"),
    ],
)
def test_a_target_that_cannot_be_is_a_model_error_that_names_what_exists(
    base: Path, adapter: dict[str, Any], words: str
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        models.make_trainable(models.load_model(section(base)), section(base, adapter=adapter))
    if words == "matches none":
        assert "q_proj" in str(caught.value)


def test_freezing_by_pattern_counts_what_each_matched(base: Path) -> None:
    asked = section(base, freeze=["embed_tokens", "layers.[0-3]"])
    model, frozen = models.make_trainable(models.load_model(section(base)), asked)
    assert frozen.matched == {"embed_tokens": 1, "layers.[0-3]": 36}
    left = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert left
    assert all(name.startswith(("model.layers.4", "model.norm")) for name in left)


def test_train_only_trains_just_what_matches(base: Path) -> None:
    model, frozen = models.make_trainable(models.load_model(section(base)), section(base, train_only=["layers.4"]))
    assert frozen.matched == {"layers.4": 9}
    assert all(weight.requires_grad == (".layers.4." in name) for name, weight in model.named_parameters())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"freeze": ["embed_token"]}, "embed_tokens"),
        ({"train_only": ["layers.5"]}, "matches none"),
        ({"train_only": ["lm_head"]}, "tied"),
        ({"freeze": ["*"]}, "are frozen"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_a_model_error(base: Path, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError) as caught:
        models.make_trainable(models.load_model(section(base)), section(base, **asked))
    assert words in str(caught.value)


def test_patterns_match_whole_parts() -> None:
    names = ["model.layers.1.mlp.weight", "model.layers.10.mlp.weight", "lm_head.bias"]
    assert matching(["layers.1", "*.bias", "mlp", "ayers"], names) == {
        "layers.1": names[:1],
        "*.bias": names[2:],
        "mlp": names[:2],
        "ayers": [],
    }
