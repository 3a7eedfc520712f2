"""A training step on a processor: the last layer with its logits kept beside TRL's tiles, same model, same rows."""

from __future__ import annotations

import copy
import statistics
import time
from typing import Any

from bench.figures import options, show

SHAPES = {
    "stories260k": (512, 64, 5, 16, 128),
    "embedded model": (2_048, 128, 4, 16, 155),
    "SmolLM2-135M's vocabulary and width, 4 layers": (49_152, 576, 4, 2, 512),
    "Qwen3-0.6B's vocabulary and width, 2 layers": (151_936, 1_024, 2, 1, 384),
}
"""Vocabulary, width, layers, rows and tokens per row."""
IN_LOSS = 0.55
"""Share of the tokens in the loss, as in the demo."""
COLUMNS = ("model", "rows x tokens", "kept, ms", "TRL's tiles, ms", "times as fast", "largest difference of gradients")


def pair(vocabulary: int, width: int, layers: int) -> tuple[Any, Any]:
    """The same random model twice: with logits kept, and with TRL's head alone."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    from sanetune.engine.trl.logits import keep_logits

    torch.manual_seed(0)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": True}
    sizes = {"hidden_size": width, "intermediate_size": 3 * width, "num_hidden_layers": layers}
    kept = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **sizes, **heads))
    tiled = copy.deepcopy(kept)
    for model in (kept, tiled):
        add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    keep_logits(kept)
    return kept, tiled


def step(model: Any, batch: dict[str, Any]) -> tuple[float, list[Any]]:
    """Seconds of one forward and backward pass, and its gradients."""
    model.zero_grad()
    began = time.perf_counter()
    out = model(**batch, fused_lm_head=True, use_cache=False)
    (-out.log_probs.sum() / out.label_mask.sum()).backward()
    return time.perf_counter() - began, [weight.grad.clone() for weight in model.parameters()]


def measure(shape: tuple[int, int, int, int, int], rounds: int) -> dict[str, Any]:
    """Medians of alternating rounds."""
    import torch

    vocabulary, width, layers, rows, tokens = shape
    kept, tiled = pair(vocabulary, width, layers)
    ids = torch.randint(0, vocabulary, (rows, tokens), generator=torch.Generator().manual_seed(1))
    labels = ids.clone()
    labels[:, : int(tokens * (1 - IN_LOSS))] = -100
    batch = {"input_ids": ids, "labels": labels}
    seconds: dict[str, list[float]] = {"kept": [], "tiled": []}
    for _ in range(rounds + 1):
        ours, gradients = step(kept, batch)
        theirs, their_gradients = step(tiled, batch)
        seconds["kept"].append(ours)
        seconds["tiled"].append(theirs)
    medians = {name: statistics.median(some[1:]) for name, some in seconds.items()}  # the first one warms up
    both = zip(gradients, their_gradients, strict=True)
    return medians | {"difference": max(float((a - b).abs().max()) for a, b in both)}


def main() -> None:
    args = options(__doc__)
    figures, table = {}, []
    for name, shape in list(SHAPES.items())[: 2 if args.quick else None]:
        one = figures[name] = measure(shape, 3 if args.quick else 7)
        table.append(
            (
                name,
                f"{shape[3]} x {shape[4]}",
                f"{1000 * one['kept']:.0f}",
                f"{1000 * one['tiled']:.0f}",
                f"{one['tiled'] / one['kept']:.2f}",
                f"{one['difference']:.1g}",
            )
        )
    show("One training step on a processor", COLUMNS, table, figures, args.json)


if __name__ == "__main__":
    main()
