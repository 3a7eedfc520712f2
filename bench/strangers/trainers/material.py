"""Rows, tokenizers and models that the scripts are built from."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

SHARED = Path(os.environ.get("SANETUNE_SHARED") or Path(__file__).resolve().parents[4] / "shared")

ROWS = 60
"""Rows of a script: enough that a share of them means something."""


@dataclass(frozen=True)
class Script:
    """One training script and what is right about it.

    Args:
        name: What it does, in a few words.
        build: Gives the trainer; its argument is a folder for what it writes.
        fails: Checks that have to fail.
        warns: Checks that have to warn.
        skips: Checks that have nothing to inspect, and have to say so.
        advice: Checks that may warn, because the rows or the arguments really are like that.
        probed: Checks that have to warn or fail at level ``probe``.
        loss_on: What is handed to ``sanetune.check``.
    """

    name: str
    build: Any
    fails: frozenset[str] = frozenset()
    warns: frozenset[str] = frozenset()
    skips: frozenset[str] = frozenset()
    advice: frozenset[str] = frozenset()
    probed: frozenset[str] = frozenset()
    loss_on: str | None = None


def names(text: str) -> frozenset[str]:
    """Checks, as in ``"labels-none rows-roles"``."""
    return frozenset(text.split())


@dataclass
class Kit:
    """A tokenizer with a model of its size."""

    tokenizer: PreTrainedTokenizerFast
    model: PreTrainedModel
    extra: dict[str, Any] = field(default_factory=dict)


@cache
def alpaca() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads((SHARED / "data" / "alpaca" / "instruction-data.json").read_text())
    return rows


@cache
def gsm8k() -> list[dict[str, str]]:
    lines = (SHARED / "data" / "gsm8k" / "train.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines[:400]]


@cache
def chats() -> list[list[dict[str, str]]]:
    """ShareGPT conversations of two to six turns, as messages."""
    rows = json.loads((SHARED / "data" / "sharegpt" / "dummy_conversation.json").read_text())
    role = {"human": "user", "gpt": "assistant"}
    found = [[{"role": role[turn["from"]], "content": turn["value"]} for turn in row["conversations"]] for row in rows]
    return [chat for chat in found if sum(len(turn["content"]) for turn in chat) < 2_000]


def llama(pad: str | None = None, **keys: Any) -> Kit:
    """The real base model with 512 tokens: SentencePiece's form, ``<unk>`` is 0, no pad token, no chat template."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = str(SHARED / "models" / "stories260k")
    kit = Kit(AutoTokenizer.from_pretrained(folder, **keys), AutoModelForCausalLM.from_pretrained(folder))
    return _padded(kit, pad)


def gpt2(pad: str | None = None) -> Kit:
    """GPT-2's own tokenizer before a small model with random weights."""
    from transformers import PreTrainedTokenizerFast

    end = "<|endoftext|>"
    file = str(SHARED / "tokenizers" / "gpt2" / "tokenizer.json")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=file, eos_token=end, bos_token=end, unk_token=end)
    return _padded(Kit(tokenizer, _small(len(tokenizer), tokenizer.eos_token_id)), pad)


def minimind() -> Kit:
    """A tokenizer with a ChatML template that ends turns with its end token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(SHARED / "tokenizers" / "minimind"))
    return Kit(tokenizer, _small(len(tokenizer), tokenizer.eos_token_id))


def _padded(kit: Kit, pad: str | None) -> Kit:
    """``eos``: the end token also pads; another string is added as a token; None: nothing pads."""
    if pad == "eos":
        kit.tokenizer.pad_token = kit.tokenizer.eos_token
    elif pad is not None:
        kit.tokenizer.add_special_tokens({"pad_token": pad})
        kit.model.resize_token_embeddings(len(kit.tokenizer))
    return kit


def _small(vocabulary: int, end: int) -> PreTrainedModel:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=vocabulary, eos_token_id=end, max_position_embeddings=2_048, **size)
    return LlamaForCausalLM(config)


def arguments(folder: Path, **keys: Any) -> Any:
    """``TrainingArguments`` as in most scripts, on a processor."""
    from transformers import TrainingArguments

    return TrainingArguments(output_dir=str(folder), **_keys(**keys))


def sft_arguments(folder: Path, **keys: Any) -> Any:
    from trl import SFTConfig

    return SFTConfig(output_dir=str(folder), bf16=False, **_keys(**keys))


def _keys(**keys: Any) -> dict[str, Any]:
    usual = {
        "learning_rate": 2e-5,
        "per_device_train_batch_size": 4,
        "num_train_epochs": 3,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
    }
    return usual | keys


class Listed:
    """A map-style data set of torch, as scripts write one: ``__len__`` and ``__getitem__``."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, Any]:
        return self.rows[at]
