"""Scripts that learn every token: transformers' collator for language models, blocks of joined texts."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

from bench.strangers.trainers.masked import source_of
from bench.strangers.trainers.material import ROWS, Kit, Script, alpaca, arguments, chats, gpt2, gsm8k, llama, names


def built(kit: Kit, folder: Path, rows: dict[str, Any], collator: Any, **keys: Any) -> Any:
    from datasets import Dataset
    from transformers import Trainer

    parts = {"train_dataset": Dataset.from_dict(rows), "data_collator": collator, "processing_class": kit.tokenizer}
    return Trainer(model=kit.model, args=arguments(folder, **keys), **parts)


def questions(end: str, count: int = ROWS) -> list[str]:
    return [f"### Question: {row['question']}\n### Answer: {row['answer']}{end}" for row in gsm8k()[:count]]


def notebook(folder: Path, pad: str) -> Any:
    """The commonest notebook: formatted texts and the collator for language models."""
    from transformers import DataCollatorForLanguageModeling

    kit = gpt2(pad)
    ids = kit.tokenizer(questions(kit.tokenizer.eos_token))
    return built(kit, folder, dict(ids), DataCollatorForLanguageModeling(kit.tokenizer, mlm=False))


def notebook_alpaca(folder: Path, pad: str) -> Any:
    """The same with a SentencePiece tokenizer, whose rows begin with a beginning-of-sequence token."""
    from transformers import DataCollatorForLanguageModeling

    kit = llama(pad)
    texts = [source_of(row) + row["output"] + kit.tokenizer.eos_token for row in alpaca()[:ROWS]]
    ids = kit.tokenizer(texts, truncation=True, max_length=512)
    return built(kit, folder, dict(ids), DataCollatorForLanguageModeling(kit.tokenizer, mlm=False))


def plain_texts(folder: Path, pad: str, ended: bool = True) -> Any:
    """Continued pre-training on whole texts: nothing is a prompt."""
    from transformers import DataCollatorForLanguageModeling

    kit = gpt2(pad)
    texts = [chat[1]["content"] + (kit.tokenizer.eos_token if ended else "") for chat in chats()[:ROWS]]
    return built(kit, folder, dict(kit.tokenizer(texts)), DataCollatorForLanguageModeling(kit.tokenizer, mlm=False))


def group_texts(folder: Path, kit: Kit, ended: bool, collator: str) -> Any:
    """The course's ``group_texts``: all texts joined, in blocks of equal length."""
    from transformers import DataCollatorForLanguageModeling, default_data_collator

    texts = [chat[1]["content"] + " \u4f60\u597d \u2026" for chat in chats()]
    rows = [kit.tokenizer(text)["input_ids"] + ([kit.tokenizer.eos_token_id] if ended else []) for text in texts]
    joined = list(chain(*rows))
    block = 128
    blocks = [joined[at : at + block] for at in range(0, len(joined) - block, block)][: 2 * ROWS]
    columns = {"input_ids": blocks, "attention_mask": [[1] * block] * len(blocks), "labels": blocks}
    if collator == "default":
        return built(kit, folder, columns, default_data_collator)
    return built(kit, folder, columns, DataCollatorForLanguageModeling(kit.tokenizer, mlm=False))


def padded_rows(folder: Path, masked: bool, kit: Kit | None = None) -> Any:
    """``padding="max_length"`` when rows are tokenized; labels are a copy, or a copy with its padding masked."""
    from transformers import default_data_collator

    kit = kit or gpt2("<|pad|>")
    texts = [chat[1]["content"] + kit.tokenizer.eos_token for chat in chats()[:ROWS]]
    rows = dict(kit.tokenizer(texts, padding="max_length", truncation=True, max_length=512))
    rows["labels"] = [
        [token if real or not masked else -100 for token, real in zip(ids, mask, strict=True)]
        for ids, mask in zip(rows["input_ids"], rows["attention_mask"], strict=True)
    ]
    return built(kit, folder, rows, default_data_collator)


def zero_pads(folder: Path) -> Any:
    """Rows that are padded beforehand with ``<unk>`` (0), which no text contains."""
    kit = llama()
    kit.tokenizer.pad_token = kit.tokenizer.unk_token
    return padded_rows(folder, True, kit)


ENDLESS = names("labels-on-padding")
PROMPTS = names("labels-on-prompt")

SCRIPTS = [
    Script("notebook, pad token is the end token", lambda folder: notebook(folder, "eos"), ENDLESS, PROMPTS),
    Script("notebook, its own pad token", lambda folder: notebook(folder, "<|pad|>"), warns=PROMPTS),
    Script("Alpaca notebook, pad is the end", lambda folder: notebook_alpaca(folder, "eos"), ENDLESS, PROMPTS),
    Script("Alpaca notebook, its own pad token", lambda folder: notebook_alpaca(folder, "<pad>"), warns=PROMPTS),
    Script("whole texts", lambda folder: plain_texts(folder, "<|pad|>"), skips=names("labels-disagree")),
    Script("whole texts, pad is the end", lambda folder: plain_texts(folder, "eos"), ENDLESS),
    Script(
        "whole texts without ends",
        lambda folder: plain_texts(folder, "<|pad|>", ended=False),
        skips=names("template-end-unlearnt labels-on-prompt"),
    ),
    Script("blocks of joined texts", lambda folder: group_texts(folder, gpt2("eos"), True, "default")),
    Script("blocks without ends", lambda folder: group_texts(folder, gpt2("eos"), False, "default")),
    Script("blocks of SentencePiece ids", lambda folder: group_texts(folder, llama("eos"), True, "default")),
    Script("blocks, end masked", lambda folder: group_texts(folder, gpt2("eos"), True, "lm"), ENDLESS),
    Script("padded to max_length, masked", lambda folder: padded_rows(folder, True), advice=names("batches-padding")),
    Script(
        "padded to max_length, learned",
        lambda folder: padded_rows(folder, False),
        names("labels-on-padding"),
        advice=names("batches-padding"),
    ),
    Script("padded with <unk>", zero_pads, advice=names("batches-padding tokens-unknown")),
]
