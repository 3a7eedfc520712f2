"""The names that llama.cpp has for how a tokenizer cuts a text into pieces before it merges them.

A file names one, and llama.cpp refuses to load a file whose name it does not know. Names that a newer llama.cpp may
have are asked of the one that is installed.
"""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path

from sanetune.errors import ModelError

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
SPLITS = {
    _LLAMA3: "llama-bpe",
    _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"): "qwen2",
}
"""The pattern by which a tokenizer cuts a text into pieces -> llama.cpp's name for it (``llama-vocab.cpp``)."""
_NAMES = """
a.x-4.0, afmoe, bailingmoe, bailingmoe2, bloom, chameleon, chatglm-bpe, codeshell, cohere2moe, command-r, dbrx,
deepseek-coder, deepseek-llm, deepseek-r1-qwen, deepseek-v3, default, exaone, exaone-moe, exaone4, f2llmv2, falcon,
falcon-h1, falcon3, gemma4, gigachat, glm4, gpt-2, gpt-4o, gpt3-finnish, granite-docling, granite-embed-multi-311m,
granite-embed-multi-97m, grok-2, hunyuan, hunyuan-dense, jais, jais-2, jina-de, jina-es, jina-v1-en, jina-v2-code,
jina-v2-de, jina-v2-es, jina-v5-nano, joyai-llm, k2-horizon, kanana2, kimi-k2, kormo, laguna, lfm2, llada-moe,
llama-bpe, llama-v3, llama3, llama4, megrez, mellum, mellum2, midm-2.0, minerva-7b, minicpm5, minimax-m2, modern-bert,
mpt, olmo, phi-2, pixtral, poro-chat, qwen2, qwen35, refact, roberta-bpe, sarvam-moe, seed-coder, smaug-bpe, smollm,
solar-open, stablelm2, starcoder, superbpe, talkie, tekken, tiny_aya, trillion, viking, whitespace, youtu
"""
KNOWN = frozenset(_NAMES.replace(",", " ").split())
"""Names with which llama.cpp of October 2026 loads a file: what counts where none is installed that could be asked."""
SIGN = "pre-tokenizer"
"""What llama.cpp calls a way of splitting where it refuses one."""
SIZE = 32
"""Numbers of an embedding of the file that is only there to be loaded."""


def require_split(name: str) -> None:
    """Raise :class:`ModelError` where llama.cpp has no way of splitting called ``name``.

    The llama.cpp that is installed is asked, which takes about a second; without one :data:`KNOWN` counts.
    """
    refusal = refused_by_llama_cpp(name)
    if refusal == "" or (refusal is None and name in KNOWN):
        return
    rationale = (
        f"It is none of the {len(KNOWN)} known here. With pip install 'sanetune[serve]' its llama.cpp is asked."
        if refusal is None
        else f"The llama.cpp that is installed refuses it: {refusal}"
    )
    near = difflib.get_close_matches(name, KNOWN, 3)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    raise ModelError(
        f"--pre {name!r} is no way of splitting that llama.cpp is known to have.",
        rationale,
        f"{meant}Known are {', '.join(sorted(KNOWN))}.",
    )


def refused_by_llama_cpp(name: str) -> str | None:
    """Return why the installed llama.cpp knows no ``name``; "": it does; None: there is none, or it does not say."""
    import importlib.util

    from sanetune.serving.local import PACKAGE, served

    if any(importlib.util.find_spec(one) is None for one in (PACKAGE, "gguf")):
        return None
    with tempfile.TemporaryDirectory(prefix="sanetune-") as folder:
        file = Path(folder) / "split.gguf"
        _write_smallest(file, name)
        try:
            with served(file, context=SIZE, threads=1):
                return ""
        except ModelError as error:
            return error.headline if SIGN in error.headline else None  # it may fail for a reason of its own


def _write_smallest(to: Path, name: str) -> None:
    """A model of one layer with bytes as its tokens, which texts are split for as ``name`` says."""
    import numpy as np
    from gguf import GGUFWriter, TokenType
    from tokenizers.pre_tokenizers import ByteLevel

    tokens = [*ByteLevel.alphabet(), "<end>"]
    writer = GGUFWriter(to, "llama")
    for add, value in (
        (writer.add_block_count, 1),
        (writer.add_context_length, SIZE),
        (writer.add_embedding_length, SIZE),
        (writer.add_feed_forward_length, SIZE),
        (writer.add_head_count, 1),
        (writer.add_layer_norm_rms_eps, 1e-6),
        (writer.add_vocab_size, len(tokens)),
        (writer.add_tokenizer_model, "gpt2"),
        (writer.add_tokenizer_pre, name),
        (writer.add_token_list, tokens),
        (writer.add_token_types, [TokenType.NORMAL] * (len(tokens) - 1) + [TokenType.CONTROL]),
        (writer.add_token_merges, ["a b"]),
        (writer.add_eos_token_id, len(tokens) - 1),
    ):
        add(value)  # type: ignore[operator]
    square = np.zeros((SIZE, SIZE), np.float32)
    matrices = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    tensors = {"token_embd": np.zeros((len(tokens), SIZE), np.float32), "output_norm": np.ones(SIZE, np.float32)}
    tensors |= {f"blk.0.{one}": square for one in matrices}
    tensors |= {f"blk.0.{one}": np.ones(SIZE, np.float32) for one in ("attn_norm", "ffn_norm")}
    for tensor, values in tensors.items():
        writer.add_tensor(f"{tensor}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
