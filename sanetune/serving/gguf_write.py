"""Write a trained model as a GGUF file: weights, tokenizer, chat template, and the tokens that end answers.

llama.cpp's own converter knows every architecture; this one knows those of :mod:`sanetune.serving.gguf_weights`, needs
nothing but the package ``gguf``, and writes what the run was trained with: its template, and its end of an answer first
among the ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.data.model_files import check_folder, read_config
from sanetune.errors import ModelError, Place
from sanetune.serving.gguf_file import require_package
from sanetune.serving.gguf_vocabulary import Vocabulary, vocabulary_of
from sanetune.serving.gguf_weights import INTERLEAVED, NameMap, as_stored, heads_of, trained_tensors

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFWriter
    from torch import Tensor

ARCHITECTURES = {"llama": INTERLEAVED, "mistral": INTERLEAVED, "qwen2": "qwen2", "qwen3": "qwen3"}
"""``model_type`` in config.json -> what llama.cpp calls it."""
TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0")
"""What weights can be written as: the types that the package ``gguf`` can round to."""
ENDS = "Q8_0"
"""The type of embeddings and of the last layer where weights have fewer bits."""


@dataclass(frozen=True, slots=True)
class Chat:
    """What a conversation with the model needs.

    Attributes:
        template: Its chat template.
        stops: Ids of the tokens that end an answer, the one that the template writes first.
    """

    template: str
    stops: Sequence[int]


def write_gguf(folder: Path, to: Path, chat: Chat, *, name: str, storage: str = "f16", pre: str = "") -> None:
    """Write the model in ``folder`` as the file ``to``, whole or not at all.

    Args:
        folder: In transformers' form.
        to: The file.
        chat: Template and ends.
        name: What the model is called in it.
        storage: One of :data:`TYPES`.
        pre: llama.cpp's name for how a text is split into pieces; "": as the tokenizer's pattern says.

    Raises:
        ModelError: The architecture or tokenizer is not known here, or the package is missing.
    """
    require_package()
    check_folder(folder)
    config = read_config(folder)
    architecture = _architecture(config, folder)
    vocabulary = vocabulary_of(folder, int(config.get("vocab_size") or 0), pre)
    part = to.with_name(f"{to.name}.part")
    try:
        _write(folder, part, config, architecture, vocabulary, chat, name, storage.upper())
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def _architecture(config: dict[str, Any], folder: Path) -> str:
    kind = str(config.get("model_type"))
    rope = _rope(config)
    scaling = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ARCHITECTURES or scaling not in ("default", "linear", "llama3"):
        words = f"the architecture {kind!r}" if kind not in ARCHITECTURES else f"the scaling of positions {scaling!r}"
        raise ModelError(
            f"How llama.cpp stores {words} is not known here.",
            f"Known are {', '.join(ARCHITECTURES)}.",
            "Use llama.cpp's own converter: --converter PATH/convert_hf_to_gguf.py.",
            Place(folder / "config.json"),
        )
    return ARCHITECTURES[kind]


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """What config.json says of positions, in its newer or its older form."""
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return {"rope_theta": config.get("rope_theta", 10_000.0), **found}


def _write(
    folder: Path,
    to: Path,
    config: dict[str, Any],
    architecture: str,
    vocabulary: Vocabulary,
    chat: Chat,
    name: str,
    storage: str,
) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(to, architecture, use_temp_file=True)
    try:
        _add_shape(writer, config, name, storage)
        _add_vocabulary(writer, vocabulary, chat)
        names = NameMap(architecture, int(config["num_hidden_layers"]))
        heads, key_heads = heads_of(folder)
        tied = bool(config.get("tie_word_embeddings"))
        for tensor_name, tensor in trained_tensors(folder):
            if tied and tensor_name == "lm_head.weight":
                continue
            stored = names[tensor_name]
            if not stored:
                raise ModelError(
                    f"llama.cpp has no name for the tensor {tensor_name}.",
                    "The file would be without it.",
                    "Use llama.cpp's own converter: --converter PATH/convert_hf_to_gguf.py.",
                )
            _add_tensor(writer, stored, as_stored(tensor_name, tensor, architecture, heads, key_heads), storage)
        if (factors := _position_factors(config)) is not None:
            writer.add_tensor("rope_freqs.weight", factors.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def _add_shape(writer: GGUFWriter, config: dict[str, Any], name: str, storage: str) -> None:
    from gguf import GGML_QUANT_VERSION, LlamaFileType, RopeScalingType

    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    head = int(config.get("head_dim") or hidden // heads)
    rope = _rope(config)
    writer.add_name(name)
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_context_length(_context_length(config))
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_layer_norm_rms_eps(float(config.get("rms_norm_eps", 1e-6)))
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(int(config["vocab_size"]))
    if (rope.get("rope_type") or rope.get("type")) == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_file_type(LlamaFileType["ALL_F32" if storage == "F32" else f"MOSTLY_{storage}"])


def _context_length(config: dict[str, Any]) -> int:
    """Tokens that a prompt may have: with a sliding window those of the window, since llama.cpp would look further."""
    longest, window = int(config["max_position_embeddings"]), config.get("sliding_window")
    slides = config.get("use_sliding_window", config.get("model_type") == "mistral")
    return min(longest, int(window)) if window and slides else longest


def _add_vocabulary(writer: GGUFWriter, vocabulary: Vocabulary, chat: Chat) -> None:
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.roles)
    if vocabulary.scores:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    writer.add_add_space_prefix(vocabulary.space_prefix)
    # A prompt of messages is what the template writes, and in training nothing was put before it.
    writer.add_add_bos_token(vocabulary.adds_bos and not chat.template)
    adders = {"bos": writer.add_bos_token_id, "unk": writer.add_unk_token_id, "pad": writer.add_pad_token_id}
    for special, add in adders.items():
        if special in vocabulary.specials:
            add(vocabulary.specials[special])
    ends = list(chat.stops) or [vocabulary.specials[one] for one in ("eos",) if one in vocabulary.specials]
    for end, add in zip(ends, (writer.add_eos_token_id, writer.add_eot_token_id), strict=False):
        add(end)
    if chat.template:
        writer.add_chat_template(chat.template)


def _add_tensor(writer: GGUFWriter, name: str, tensor: Tensor, storage: str) -> None:
    from gguf.quants import quantize

    values = tensor.float().contiguous().numpy()
    kind = _type_of(name, tuple(tensor.shape), storage)
    writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)


def _type_of(name: str, shape: tuple[int, ...], storage: str) -> GGMLQuantizationType:
    """The type of one tensor: vectors stay whole, and rows that make no whole blocks have 16 bits."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if len(shape) < 2:
        return GGMLQuantizationType.F32
    wanted = ENDS if name.startswith(("token_embd", "output.")) and storage[:2] in ("Q4", "Q5") else storage
    kind = GGMLQuantizationType[wanted]
    return GGMLQuantizationType.F16 if shape[-1] % GGML_QUANT_SIZES[kind][0] else kind


def _position_factors(config: dict[str, Any]) -> Tensor | None:
    """The divisors of Llama 3's frequencies, by which it reaches beyond the context that it was first trained on."""
    import torch

    rope = _rope(config)
    if (rope.get("rope_type") or rope.get("type")) != "llama3":
        return None
    head = int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])
    factor, low, high = (float(rope[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    old = float(rope["original_max_position_embeddings"])
    frequencies = float(rope["rope_theta"]) ** -(torch.arange(0, head, 2, dtype=torch.float64) / head)
    lengths = 2 * math.pi / frequencies
    smooth = ((old / lengths - low) / (high - low)).clamp(0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).float()
