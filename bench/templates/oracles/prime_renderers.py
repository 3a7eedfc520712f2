"""``renderers`` of Prime Intellect: hand-written renderers of some 25 families, with loss masks of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bench.templates.oracles import Family, Sample
from bench.templates.shapes import loss_on
from bench.templates.sources import Source

if TYPE_CHECKING:
    from bench.templates.tokenizers import Tokenizers

NAME = "renderers"
CLASSES = {
    "deepseekv3": "DeepSeekV3Renderer",
    "deepseek_r1_distill": "DeepSeekR1Renderer",
    "gemma4_v5": "Gemma4Renderer",
    "glm4moe": "GLM45Renderer",
    "llama3_2": "Llama3Renderer",
    "nemotron_3_nano": "Nemotron3Renderer",
    "nemotron_3_ultra": "Nemotron3UltraRenderer",
    "nemotron_3_5_lightning": "Nemotron35Renderer",
    "qwen3": "Qwen3Renderer",
    "qwen3_5_think": "Qwen35Renderer",
    "qwen3_6": "Qwen36Renderer",
    "qwen3_8": "Qwen38Renderer",
    "qwen3_vl": "Qwen3VLRenderer",
}
"""Template of TRL's -> the class that renders the same family."""

TOKENS = ("[gMASK]", "<sop>", "<bos>", "<eos>", "<|image>", "<image|>", "<|audio>", "<audio|>")
"""Tokens that renderers ask for, and that no template spells out."""


def families(sources: Sequence[Source], tokenizers: Tokenizers) -> Iterator[Family]:
    """The templates of TRL's that a renderer knows, one after another: they share tokenizers."""
    import renderers

    for source in sources:
        if source.origin == "trl" and source.name in CLASSES:
            _, tokenizer = tokenizers.of_template(source)
            try:
                renderer = getattr(renderers, CLASSES[source.name])(tokenizer)
            except Exception as error:
                raise SystemExit(f"{source.name}: renderers cannot be made: {error!r}") from error
            yield Family(source, tokenizer, partial(_rendered, renderer))


def _rendered(renderer: Any, row: dict[str, Any], kind: str) -> Sample | None:
    """What the renderer makes of a row, with the end after the last turn."""
    from renderers import build_training_sample

    messages = row["messages"]
    last = max(number for number, message in enumerate(messages) if message["role"] == "assistant")
    only = [number == last for number in range(len(messages))] if loss_on(kind) == "last" else None
    try:
        sample = build_training_sample(
            renderer,
            messages,
            role_to_mask=lambda message: message["role"] == "assistant",
            tools=row.get("tools"),
            ensure_final_stop=True,
            message_loss_mask=only,
        )
    except Exception:
        return None
    return list(sample.token_ids), [bool(value) for value in sample.loss_mask]
