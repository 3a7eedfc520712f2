"""A tiny model that has memorised four answers, ends them with a token of its own, and begins texts with one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

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
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    shutil.copytree(DEMO, folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        file = folder / name
        file.write_text(file.read_text(encoding="utf-8").replace("<|im_end|>", END), encoding="utf-8")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"bos_token": BEGIN}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    rows = [
        tokenizer.apply_chat_template(
            [{"role": "user", "content": question}, {"role": "assistant", "content": reply}], return_dict=False
        )[:-1]
        for question, reply in QUESTIONS.items()
    ]
    for step in range(steps):
        ids = torch.tensor([rows[step % len(rows)]])
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    end = tokenizer.convert_tokens_to_ids(END)
    model.generation_config.eos_token_id = [0, end]
    model.save_pretrained(folder)
    return folder
