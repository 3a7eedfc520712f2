"""The sizes of a model, told from its config.json and the headers of its weights.

Nothing of it is built. Building a model, even without memory, imports torch's compiler and, for an adapter, peft. What
the files leave open is None, and whoever asks builds the model instead.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.sizes import ModelSizes
from sanetune.config.unimported import file_of, pairs
from sanetune.data.model_files import read_config, weight_files

if TYPE_CHECKING:
    from sanetune.config.schema import AdapterSection, ModelSection

Shapes = dict[str, tuple[int, ...]]

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_WEIGHT = re.compile(r"model\.(layers\.(\d+)\.[a-z_.]+|norm|embed_tokens)\.(weight|bias)|lm_head\.weight")
"""How Llama's layout and those like it name their weights; whatever else a file holds may not be a weight."""


def sizes_from_files(section: ModelSection) -> ModelSizes | None:
    """Return the sizes of a local model with its adapter; None where the files do not tell all of them."""
    folder = Path(section.name).expanduser()
    if section.freeze or section.train_only or not folder.is_dir():
        return None
    config = _config(folder)
    if config is None:
        return None
    shapes = _shapes(folder)
    if not _fits(config, shapes):
        return None
    whole = sum(math.prod(shape) for shape in shapes.values())
    if HEAD in shapes and config.get("tie_word_embeddings"):
        whole -= math.prod(shapes[HEAD])
    trained = whole if section.adapter is None else _adapter(section.adapter, shapes)
    if trained is None:
        return None
    dtype = config.get("dtype", config.get("torch_dtype"))
    return ModelSizes(
        parameters=whole if section.adapter is None else whole + trained,
        trainable=trained,
        hidden=config["hidden_size"],
        layers=config["num_hidden_layers"],
        context=config["max_position_embeddings"],
        vocabulary=config["vocab_size"],
        stored_dtype=dtype,
        model_type=config["model_type"],
    )


def _config(folder: Path) -> dict[str, Any] | None:
    """config.json where it writes out what is needed, of a causal language model that transformers knows."""
    config = read_config(folder)
    numbers = ("hidden_size", "num_hidden_layers", "max_position_embeddings", "vocab_size", "num_attention_heads")
    if not all(type(config.get(key)) is int and config[key] > 0 for key in numbers):
        return None
    if {"auto_map", "text_config", "quantization_config"} & set(config):
        return None
    if not isinstance(config.get("dtype", config.get("torch_dtype")), str | None):
        return None
    try:
        auto = file_of("transformers", "models", "auto", "modeling_auto.py")
        known = config.get("model_type") in pairs(auto, "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")
    except (LookupError, TypeError):
        return None
    heads = config["num_attention_heads"]
    whole = "head_dim" in config or config["hidden_size"] % heads == 0
    groups = config.get("num_key_value_heads") or heads
    return config if known and whole and isinstance(groups, int) and heads % groups == 0 else None


def _fits(config: dict[str, Any], shapes: Shapes) -> bool:
    """Whether these are all weights that the configuration describes, and nothing else."""
    found = {name: _WEIGHT.fullmatch(name) for name in shapes}
    layers = {int(one[2]) for one in found.values() if one is not None and one[2] is not None}
    embedding = (config["vocab_size"], config["hidden_size"])
    tied = config.get("tie_word_embeddings")
    # Left out, the class decides whether the head is the embedding; a file without a head then says that it is.
    head = HEAD not in shapes if tied is None else (HEAD in shapes) or tied
    return (
        all(one is not None for one in found.values())
        and layers == set(range(config["num_hidden_layers"]))
        and shapes.get(EMBEDDING) == embedding
        and shapes.get(HEAD, embedding) == embedding
        and bool(head)
    )


def _adapter(adapter: AdapterSection, shapes: Shapes) -> int | None:
    """Numbers in the LoRA matrices beside all linear layers; None where the adapter is of another kind."""
    if adapter.target != "all-linear" or adapter.dora or adapter.modules_to_save or adapter.tokens:
        return None
    matrices = [name for name, shape in shapes.items() if len(shape) > 1 and name not in (EMBEDDING, HEAD)]
    if not all(name.endswith("_proj.weight") and len(shapes[name]) == 2 for name in matrices):
        return None
    return sum(adapter.r * sum(shapes[name]) for name in matrices)


def _shapes(folder: Path) -> Shapes:
    """Name -> shape of every tensor in the folder's safetensors; only their headers are read."""
    from safetensors import safe_open

    shapes: Shapes = {}
    for file in weight_files(folder):
        with safe_open(file, framework="numpy") as opened:
            shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    return shapes
