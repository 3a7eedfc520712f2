"""Scripts on TRL's ``SFTTrainer``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.strangers.trainers.language_models import questions
from bench.strangers.trainers.masked import source_of
from bench.strangers.trainers.material import (
    ROWS,
    Kit,
    Script,
    alpaca,
    chats,
    gpt2,
    gsm8k,
    minimind,
    names,
    sft_arguments,
)


def built(kit: Kit, folder: Path, rows: list[dict[str, Any]], given: dict[str, Any] | None = None, **keys: Any) -> Any:
    from datasets import Dataset
    from trl import SFTTrainer

    parts = {"train_dataset": Dataset.from_list(rows), "processing_class": kit.tokenizer} | (given or {})
    return SFTTrainer(model=kit.model, args=sft_arguments(folder, **keys), **parts)


def formatting(folder: Path, **keys: Any) -> Any:
    """``formatting_func``: TRL learns the whole text and adds the end."""
    rows = [{"q": row["question"], "a": row["answer"]} for row in gsm8k()[:ROWS]]
    func = {"formatting_func": lambda row: f"### Question: {row['q']}\n### Answer: {row['a']}"}
    return built(gpt2("<|pad|>"), folder, rows, func, **keys)


def texts(folder: Path, **keys: Any) -> Any:
    return built(gpt2("<|pad|>"), folder, [{"text": text} for text in questions("")], **keys)


def completions(folder: Path) -> Any:
    """Plain text in ``prompt`` and ``completion``: TRL masks the prompt."""
    rows = [{"prompt": source_of(row) + "\n", "completion": row["output"]} for row in alpaca()[:ROWS]]
    return built(gpt2("<|pad|>"), folder, rows)


def messages(folder: Path, **keys: Any) -> Any:
    return built(minimind(), folder, [{"messages": chat} for chat in chats()[:ROWS]], **keys)


def articles(folder: Path) -> Any:
    rows = [{"text": chat[1]["content"]} for chat in chats()[:ROWS]]
    return built(gpt2("<|pad|>"), folder, rows, packing=True, max_length=256)


PROMPTS = names("labels-on-prompt")

SCRIPTS = [
    Script("formatting function", formatting, warns=PROMPTS),
    Script(
        "formatting function, packed", lambda folder: formatting(folder, packing=True, max_length=512), warns=PROMPTS
    ),
    Script("a column of formatted text", texts, warns=PROMPTS),
    Script("a column of formatted text, declared", texts, loss_on="all"),
    Script("prompt and completion", completions),
    Script("messages, everything learned", messages, fails=PROMPTS),
    Script("articles, packed", articles),
]
