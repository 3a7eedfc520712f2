"""A tiny model that has memorised four answers, ends them with a token of its own, and begins texts with one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sanetune

END, BEGIN = "<|done|>", "<|im_start|>"
QUESTIONS = {
    "What do you sell?": "We sell lamps and chairs.",
    "Are you open on Sunday?": "No, we open on Monday.",
    "Is the lamp still there?": "Yes, one is left.",
    "Who are you?": "I am the assistant of the shop.",
}
DEMO = Path(sanetune.__file__).parent / "demo" / "model"


def make(folder: Path, steps: int = 60) -> Path:
    """Train the demo's model on :data:`QUESTIONS` and save it; another number of ``steps`` is another model."""
    shutil.copytree(DEMO, folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        file = folder / name
        file.write_text(file.read_text(encoding="utf-8").replace("<|im_end|>", END), encoding="utf-8")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"bos_token": BEGIN}))
    rows = [
        ([{"role": "user", "content": question}, {"role": "assistant", "content": reply}], None)
        for question, reply in QUESTIONS.items()
    ]
    return train(folder, rows, steps)


def train(
    folder: Path, rows: Sequence[tuple[list[Any], list[Any] | None]], steps: int, answers_only: bool = False
) -> Path:
    """Train the model in ``folder`` on messages and their tools, each row by turns, and save it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    ids = [tokenizer.apply_chat_template(messages, tools=tools, return_dict=False)[:-1] for messages, tools in rows]
    begins = [
        tokenizer.apply_chat_template(messages[:-1], tools=tools, add_generation_prompt=True, return_dict=False)
        for messages, tools in rows
    ]
    for step in range(steps):
        inputs = torch.tensor([ids[step % len(ids)]])
        labels = inputs.clone()
        labels[0, : len(begins[step % len(ids)]) if answers_only else 0] = -100
        loss = model(input_ids=inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    end = ids[0][-1]
    model.generation_config.eos_token_id = [0, end]
    model.save_pretrained(folder)
    return folder
