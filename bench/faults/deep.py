"""Set-ups for the deeper levels: small enough that a whole trial takes seconds on one core.

Beside the two real models stand three of other architectures. They begin with random weights and are taught first, on
rows that no set-up has: a run that is checked begins with a model that knows something. Rows are short.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.faults.setups import Row, Setup, lines, once, special_ids, to_messages, trl_template
from bench.figures import shared

ROWS = {"stories": 310, "gpt2": 310}
FEW = 170
"""Rows of a set-up: 310 make about 198 steps of 4 in three epochs, which these two need to learn what ends an answer;
170 make 108, enough for the models that know it."""
LONGEST = {"alpaca": 140, "sharegpt": 300, "gsm8k": 300, "demo": 400}
"""Characters of the longest rows that are taken."""
TAUGHT, TOGETHER, WIDTH = 700, 8, 96
"""Steps that the small models are taught for, first text and then conversations, rows in a step, tokens in a row."""
HIDDEN = 96
OVERFIT = 12
"""Examples of the overfit test; twenty, its default, would take a third of the time of a case."""

Change = Callable[[Setup], None]


def make(name: str, folder: Path, models: Path) -> Setup:
    """The clean set-up ``family-data+variant+...``, e.g. ``stories-alpaca+lora``; ``models``: where families build
    their models."""
    base, *variants = name.split("+")
    family, _, data = base.partition("-")
    folder.mkdir(parents=True, exist_ok=True)
    format_, every = rows_of(data)
    config = {
        "model": FAMILIES[family](models),
        "data": {"train": "", "holdout": 0.15, "workers": 1},
        "train": {
            "use_cpu": True,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 1,
            "num_train_epochs": 3,
        },
        "run": {"output_dir": str(folder / "run"), "trackers": []},
        "check": {"samples": 12, "overfit_examples": OVERFIT},
    }
    setup = Setup(name, folder, config, format_)
    setup.write([row for row in every if size(row) <= LONGEST[data]][: ROWS.get(family, FEW)])
    for variant in variants:
        VARIANTS[variant](setup)
    return setup


def rows_of(data: str) -> tuple[str, list[Row]]:
    """(form, all rows) of one data set."""
    from sanetune.demo import TRAIN

    where = shared() / "data"
    if data == "alpaca":
        return "alpaca", json.loads((where / "alpaca/instruction-data.json").read_text())
    if data == "sharegpt":
        found = json.loads((where / "sharegpt/dummy_conversation.json").read_text())
        return "sharegpt", [{"conversations": row["conversations"]} for row in found]
    if data == "gsm8k":
        return "gsm8k", lines(where / "gsm8k/train.jsonl")
    return "messages", lines(TRAIN)


def size(row: Row) -> int:
    """Characters of a row as JSON."""
    return len(json.dumps(row, ensure_ascii=False))


UNWRITTEN = ["<|im_end|>", "ards", "Ċ", "ank", "ind", "Ġj"]
"""Tokens that the embedded base never wrote, which model-cannot-overfit names: LoRA alone cannot teach it them."""


def _lora(setup: Setup) -> None:
    embedded = setup.name.startswith("demo-demo")
    setup.model["adapter"] = {"type": "lora", "tokens": UNWRITTEN} if embedded else "lora"


def _packed(setup: Setup) -> None:
    """Packs of about four rows, one in a batch."""
    data = setup.name.partition("+")[0].partition("-")[2]
    length = {"alpaca": 256, "sharegpt": 512}.get(data, 448)
    setup.train.update({"packing": True, "max_length": length, "per_device_train_batch_size": 1})
    if data == "sharegpt":
        setup.train["num_train_epochs"] = 5  # three make 75 steps, in which the inferred learning rate does not get far


def _accumulated(setup: Setup) -> None:
    setup.train.update({"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2})


VARIANTS: dict[str, Change] = {"lora": _lora, "packed": _packed, "accumulated": _accumulated}
"""What may follow a plus in the name of a set-up."""


def _demo(models: Path) -> dict[str, Any]:
    from sanetune.demo import MODEL

    return {"name": str(MODEL)}


def _stories(models: Path) -> dict[str, Any]:
    return {"name": str(shared() / "models/stories260k"), "chat_template": "chatml"}


def _qwen3(models: Path) -> dict[str, Any]:
    """Qwen3, with the tokenizer and template of the embedded model."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    def build(tokenizer: Any) -> Any:
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 24}
        return Qwen3ForCausalLM(Qwen3Config(**_sizes(), **heads, **special_ids(tokenizer)))

    return {"name": str(_taught(models / "taught-qwen3", _embedded, build))}


def _gemma3(models: Path) -> dict[str, Any]:
    """Gemma 3, with Gemma's template and tokens over the vocabulary of stories260k."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    def tokenizer() -> Any:
        from transformers import PreTrainedTokenizerFast

        file = shared() / "models/stories260k/tokenizer.json"
        found = PreTrainedTokenizerFast(
            tokenizer_file=str(file), bos_token="<s>", eos_token="<end_of_turn>", pad_token="<pad>", unk_token="<unk>"
        )
        found.add_special_tokens({"extra_special_tokens": ["<start_of_turn>"]})
        found.chat_template = trl_template("gemma")
        return found

    def build(tokenizer: Any) -> Any:
        heads = {"num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 24, "query_pre_attn_scalar": 24}
        return Gemma3ForCausalLM(Gemma3TextConfig(**_sizes(), **heads, sliding_window=64, **special_ids(tokenizer)))

    return {"name": str(_taught(models / "taught-gemma3", tokenizer, build))}


def _gpt2(models: Path) -> dict[str, Any]:
    """GPT-2 with its dropout, with the tokenizer and template of the embedded model."""
    from transformers import GPT2Config, GPT2LMHeadModel

    def build(tokenizer: Any) -> Any:
        sizes = {"n_embd": HIDDEN, "n_layer": 2, "n_head": 4, "n_positions": 1024}
        return GPT2LMHeadModel(GPT2Config(**sizes, **special_ids(tokenizer)))

    return {"name": str(_taught(models / "taught-gpt2", _embedded, build, 3 * TAUGHT))}


FAMILIES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "demo": _demo,
    "stories": _stories,
    "qwen3": _qwen3,
    "gemma3": _gemma3,
    "gpt2": _gpt2,
}
"""Makers of the section ``model``."""


def _embedded() -> Any:
    from transformers import AutoTokenizer

    from sanetune.demo import MODEL

    return AutoTokenizer.from_pretrained(str(MODEL))


def _sizes() -> dict[str, Any]:
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 2 * HIDDEN, "num_hidden_layers": 2}
    return {**sizes, "max_position_embeddings": 1024, "tie_word_embeddings": True}


def _taught(folder: Path, tokenizer: Callable[[], Any], build: Callable[[Any], Any], steps: int = TAUGHT) -> Path:
    """A model with the weights that ``build`` draws, taught for so many steps, in ``folder``. GPT-2, which has to learn
    its positions too, takes three times as many as the others."""

    def make(scratch: Path) -> None:
        import torch

        torch.manual_seed(0)
        words = tokenizer()
        model = build(words)
        teach(model, words, steps)
        model.save_pretrained(scratch)
        words.save_pretrained(scratch)

    return once(folder, make)


def teach(model: Any, tokenizer: Any, steps: int = TAUGHT) -> float:
    """The rows that no set-up has, for ``steps`` steps without dropout; the last loss."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    model.eval()
    loss = torch.tensor(float("nan"))
    for _, batch in zip(range(steps), _batches(tokenizer, steps), strict=False):
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return float(loss.detach())


def _batches(tokenizer: Any, steps: int) -> Iterator[Any]:
    """Parts of two long texts: the rows as text, then as conversations in the template."""
    import random

    import torch

    conversations = list(_conversations())
    random.Random(0).shuffle(conversations)
    need = steps * TOGETHER * WIDTH // 2
    for rendered in (_as_text, lambda conversation: _as_chat(tokenizer, conversation)):
        ids: list[int] = []
        while len(ids) < need:
            for conversation in conversations:
                ids += tokenizer(rendered(conversation), add_special_tokens=False)["input_ids"]
                if len(ids) >= need:
                    break
        yield from torch.tensor(ids[: need // (TOGETHER * WIDTH) * TOGETHER * WIDTH]).view(-1, TOGETHER, WIDTH)


def _as_text(conversation: list[Row]) -> str:
    return "\n".join(message["content"] for message in conversation) + "\n"


def _as_chat(tokenizer: Any, conversation: list[Row]) -> str:
    found: str = tokenizer.apply_chat_template(conversation, tokenize=False)
    return found


def _conversations() -> Iterator[list[Row]]:
    """The rows that are too long for a set-up, as messages; those of a system are left out."""
    for data in LONGEST:
        format_, every = rows_of(data)
        for row in every:
            if size(row) > LONGEST[data]:
                yield [one for one in to_messages(row, format_)["messages"] if one["role"] != "system"]
