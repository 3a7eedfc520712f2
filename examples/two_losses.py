"""Two losses at once: the answers, and a classification head that names the topic of the question.

    python examples/two_losses.py MODEL DATA [CHAT_TEMPLATE]

The head reads the hidden state of the last token of the prompt. Both losses come from one forward pass.
Each is returned as its sum, beside the number of its items (tokens, rows), so that the loop can divide
by the items of the whole effective batch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import sanetune

TOPICS = {"order": 0, "return": 1, "open": 2}
OTHER = 3
SIZE = 4


class TopicBatches:
    """Micro-batches of the prepared rows, each row with the topic of its prompt and the place of its end."""

    def __init__(self, prepared: sanetune.Prepared) -> None:
        self.prepared = prepared
        self.rows = list(prepared.train)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(self.rows), SIZE):
            rows = self.rows[start : start + SIZE]
            ends = [first_answer_token(row["labels"]) - 1 for row in rows]
            topics = [self.topic(row["input_ids"][: end + 1]) for row, end in zip(rows, ends, strict=True)]
            batch = self.prepared.collator(rows)
            yield {**batch, "topics": torch.tensor(topics), "ends": torch.tensor(ends)}

    def topic(self, prompt: list[int]) -> int:
        text = self.prepared.tokenizer.decode(prompt).lower()
        return next((number for word, number in TOPICS.items() if word in text), OTHER)


def first_answer_token(labels: list[int]) -> int:
    return next(place for place, label in enumerate(labels) if label != -100)


def add_head(model: Any) -> None:
    model.topic_head = torch.nn.Linear(model.config.hidden_size, len(TOPICS) + 1)


def losses(model: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    out = model(**inputs, output_hidden_states=True)
    answers = functional.cross_entropy(
        out.logits[:, :-1].flatten(0, 1).float(), batch["labels"][:, 1:].flatten(), reduction="sum"
    )
    hidden = out.hidden_states[-1][torch.arange(len(batch["ends"])), batch["ends"]]
    topics = functional.cross_entropy(model.topic_head(hidden).float(), batch["topics"], reduction="sum")
    return {"answers": answers, "topics": topics}


def counts(batch: dict[str, Tensor]) -> dict[str, int]:
    return {"answers": int((batch["labels"][:, 1:] != -100).sum()), "topics": len(batch["topics"])}


def main(model_name: str, data: str, chat_template: str | None = None, steps: int = 20) -> sanetune.Trained:
    config = {
        "model": {"name": model_name, "chat_template": chat_template},
        "data": {"train": data},
        "train": {
            "engine": "accelerate",
            "max_steps": steps,
            "per_device_train_batch_size": SIZE,
            "gradient_accumulation_steps": 2,
            "learning_rate": 1e-3,
            "logging_steps": 5,
            "eval_steps": 5,
        },
        "run": {"output_dir": "runs/two-losses", "trackers": [], "samples": 0},
    }
    prepared = sanetune.prepare(config)
    hooks = sanetune.Hooks(
        on_model=add_head,
        loss_fn=losses,
        count_fn=counts,
        loss_weights={"topics": 0.5},
        batches=TopicBatches(prepared),
    )
    return sanetune.train(config, hooks=hooks, unchecked="an example of a few steps")


if __name__ == "__main__":
    main(*sys.argv[1:])
