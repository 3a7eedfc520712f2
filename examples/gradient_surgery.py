"""Gradient surgery between two tasks: what one would undo of the other is taken out of its gradient.

    python examples/gradient_surgery.py MODEL DATA [CHAT_TEMPLATE]

PCGrad (Yu et al. 2020, arXiv:2001.06782): where the gradients of two tasks point against each other,
each loses its part along the other. The tasks here are short answers and long ones, in every batch;
with two data sets they would be told apart by where a row comes from.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import sanetune

LONG = 64
"""Tokens of an answer from which on it is a long one."""

Gradients = list[Tensor | None]


def token_losses(model: Any, batch: dict[str, Tensor]) -> Tensor:
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return functional.cross_entropy(logits[:, :-1].transpose(1, 2).float(), batch["labels"][:, 1:], reduction="none")


def are_long(batch: dict[str, Tensor]) -> Tensor:
    return (batch["labels"][:, 1:] != -100).sum(dim=1) >= LONG


def losses(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    by_row, long = token_losses(model, batch).sum(dim=1), are_long(batch)
    return {"long": (by_row * long).sum(), "short": (by_row * ~long).sum()}


def counts(batch: dict[str, Tensor]) -> dict[str, int]:
    tokens, long = (batch["labels"][:, 1:] != -100).sum(dim=1), are_long(batch)
    return {"long": int(tokens[long].sum()), "short": int(tokens[~long].sum())}


def pcgrad(gradients: dict[str, Gradients]) -> Gradients:
    one, other = gradients["long"], gradients["short"]
    product, (size, other_size) = dot(one, other), (dot(one, one), dot(other, other))
    if product >= 0 or not size or not other_size:
        return [add(left, right) for left, right in zip(one, other, strict=True)]
    return [
        add(add(left, right, -product / other_size), add(right, left, -product / size))
        for left, right in zip(one, other, strict=True)
    ]


def dot(one: Gradients, other: Gradients) -> float:
    pairs = zip(one, other, strict=True)
    return float(sum((left * right).sum() for left, right in pairs if left is not None and right is not None))


def add(one: Tensor | None, other: Tensor | None, factor: float = 1.0) -> Tensor | None:
    if one is None or other is None:
        return one if other is None else other * factor
    return torch.add(one, other, alpha=factor)


def main(model_name: str, data: str, chat_template: str | None = None, steps: int = 20) -> sanetune.Trained:
    config = {
        "model": {"name": model_name, "chat_template": chat_template},
        "data": {"train": data},
        "train": {
            "engine": "accelerate",
            "max_steps": steps,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
            "learning_rate": 1e-3,
            "logging_steps": 5,
            "eval_steps": 5,
        },
        "run": {"output_dir": "runs/gradient-surgery", "trackers": [], "samples": 0},
    }
    hooks = sanetune.Hooks(loss_fn=losses, count_fn=counts, combine_gradients=pcgrad)
    return sanetune.train(config, hooks=hooks, unchecked="an example of a few steps")


if __name__ == "__main__":
    main(*sys.argv[1:])
