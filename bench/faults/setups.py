"""Clean set-ups: a family (model, tokenizer, chat template) and real rows, in a folder of their own.

The rows are in files of the set-up, so that a fault can be injected in them: row 0 is on line 1.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import shared

Row = dict[str, Any]

ROWS = 220
"""Rows of a set-up: 187 to train on make 94 steps of 4 in two epochs, more than config-few-steps asks for."""


@dataclass
class Setup:
    """One clean set-up, which a recipe may break. ``config`` is a mapping for ``sanetune.check``; ``environment``:
    variables to set while it is checked (None: to take away)."""

    name: str
    folder: Path
    config: dict[str, Any]
    row_format: str
    environment: dict[str, str | None] = field(default_factory=dict)

    @property
    def train(self) -> dict[str, Any]:
        """The section ``train``."""
        section: dict[str, Any] = self.config["train"]
        return section

    @property
    def model(self) -> dict[str, Any]:
        """The section ``model``."""
        section: dict[str, Any] = self.config["model"]
        return section

    @property
    def data(self) -> dict[str, Any]:
        """The section ``data``."""
        section: dict[str, Any] = self.config["data"]
        return section

    def rows(self, key: str = "train") -> list[Row]:
        """The rows of a split's file."""
        return [json.loads(line) for line in Path(self.data[key]).read_text(encoding="utf-8").splitlines()]

    def write(self, rows: list[Row], key: str = "train") -> None:
        """Puts other rows into a split's file."""
        self.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), key)

    def write_text(self, text: str, key: str = "train", encoding: str = "utf-8") -> None:
        """Puts any text into a split's file."""
        file = self.folder / f"{key}.jsonl"
        file.write_bytes(text.encode(encoding, "surrogatepass"))
        self.data[key] = str(file)

    def as_messages(self) -> list[Row]:
        """The rows in the form of messages, and the set-up with them."""
        rows = [to_messages(row, self.row_format) for row in self.rows()]
        self.row_format = "messages"
        self.data.pop("fields", None)
        self.write(rows)
        return rows

    def split(self) -> tuple[list[Row], list[Row]]:
        """Training and validation rows in files of their own."""
        validation, kept = self.halves(self.rows())
        self.write(kept)
        self.write(validation, "validation")
        return kept, validation

    def halves(self, rows: list[Any]) -> tuple[list[Any], list[Any]]:
        """(held out, trained on) of ``rows``, which stand for those of the file; rows of one prompt stay together."""
        from sanetune.data.holdout import split

        asked = [prompt(row, self.row_format).encode() for row in self.rows()]
        kept, validation = split(asked, 0.15, 0)
        return [rows[number] for number in validation], [rows[number] for number in kept]

    def own_model(self) -> Path:
        """A copy of the model in the set-up's folder, to be changed."""
        folder = self.folder / "model"
        if not folder.exists():
            shutil.copytree(self.model["name"], folder, copy_function=shutil.copyfile)
            folder.chmod(0o755)
            self.model["name"] = str(folder)
        return folder

    def template(self) -> str:
        """The chat template in use."""
        from sanetune.config.schema import ModelSection
        from sanetune.data.tokenizer import load_tokenizer

        source = load_tokenizer(ModelSection(**self.model)).chat_template
        assert isinstance(source, str)
        return source

    def use_template(self, source: str) -> None:
        """Another template over the same tokenizer: tokens that ``chatml`` had added stay in it."""
        if self.model.get("chat_template") == "chatml":
            from sanetune.config.schema import ModelSection
            from sanetune.data.tokenizer import load_tokenizer

            tokenizer = load_tokenizer(ModelSection(**self.model))
            tokenizer.save_pretrained(self.own_model())
        file = self.folder / "template.jinja"
        file.write_text(source, encoding="utf-8")
        self.model["chat_template"] = str(file)


def change(row: Row, role: str, new: Callable[[str], str], row_format: str) -> Row:
    """A copy of ``row`` with every text of ``role`` replaced by ``new(text)``."""
    row = copy.deepcopy(row)
    for holder, key in places(row, role, row_format):
        holder[key] = new(holder[key])
    return row


def places(row: Row, role: str, row_format: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Where the texts of ``role`` (user or assistant) are in ``row``."""
    if row_format == "alpaca":
        yield row, {"user": "instruction", "assistant": "output"}[role]
    elif row_format == "gsm8k":
        yield row, {"user": "question", "assistant": "answer"}[role]
    elif row_format == "sharegpt":
        wanted = {"user": "human", "assistant": "gpt"}[role]
        yield from ((turn, "value") for turn in row["conversations"] if turn["from"] == wanted)
    else:
        turns = (turn for turn in row["messages"] if turn["role"] == role)
        yield from ((turn, "content") for turn in turns if isinstance(turn.get("content"), str))


def prompt(row: Row, row_format: str) -> str:
    """All that the user says in a row."""
    said = "\n".join(str(holder[key]) for holder, key in places(row, "user", row_format))
    return said + str(row.get("input", ""))


def to_messages(row: Row, row_format: str) -> Row:
    """``row`` as a list of messages, as people convert such files."""
    if row_format == "alpaca":
        asked = row["instruction"] + (f"\n{row['input']}" if row.get("input") else "")
        pair = [("user", asked), ("assistant", row["output"])]
    elif row_format == "gsm8k":
        pair = [("user", row["question"]), ("assistant", row["answer"])]
    elif row_format == "sharegpt":
        roles = {"human": "user", "gpt": "assistant"}
        pair = [(roles[turn["from"]], turn["value"]) for turn in row["conversations"]]
    else:
        return copy.deepcopy(row)
    return {"messages": [{"role": role, "content": text} for role, text in pair]}


def make(name: str, folder: Path, models: Path) -> Setup:
    """The clean set-up ``family-data``, e.g. ``stories-alpaca``; ``models``: where families build their models."""
    family, _, data = name.partition("-")
    folder.mkdir(parents=True, exist_ok=True)
    row_format, rows = read(data)
    keys = FAMILIES[family](models)
    long = data in ("drone", "airline")
    train = {
        "use_cpu": True,
        "per_device_train_batch_size": 1 if long else 4,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": 6 if data == "airline" else 2,
        "train_sampling_strategy": "group_by_length",
    }
    check = {"ignore": ["template-empty-thinking"]} if family == "qwen3" else {}  # true of its template and these rows
    if data == "airline":
        train["max_length"] = 16384  # an open one stops at 4,096, below the longest conversations
    config = {
        "model": keys,
        "data": {"train": "", "holdout": 0.4 if data == "airline" else 0.15, "workers": 1},
        "train": train,
        "check": check,
        "run": {"output_dir": str(folder / "run"), "trackers": []},
    }
    setup = Setup(name, folder, config, row_format)
    setup.write(rows)
    return setup


def read(data: str) -> tuple[str, list[Row]]:
    """(form, rows) of one data set: its first rows that are short enough for the smallest model's context."""
    from sanetune.demo import TRAIN

    where = shared() / "data"
    if data == "alpaca":
        rows = _short(json.loads((where / "alpaca/instruction-data.json").read_text()), 220)
        return "alpaca", rows[:ROWS]
    if data == "sharegpt":
        found = _short(json.loads((where / "sharegpt/dummy_conversation.json").read_text()), 300)
        return "sharegpt", [{"conversations": row["conversations"]} for row in found[:ROWS]]
    if data == "gsm8k":
        return "gsm8k", _short(lines(where / "gsm8k/train.jsonl"), 380)[:ROWS]
    if data == "drone":
        return "messages", lines(where / "messages/drone_training.jsonl")
    if data == "airline":
        from bench.faults.airline import conversations

        rows = conversations(where / "airline/gpt-4o-airline.json")
        return "messages", [row for row in rows if len(json.dumps(row["messages"])) < 16_000]
    return "messages", lines(TRAIN)[:ROWS]


def lines(file: Path) -> list[Row]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def _short(rows: list[Row], most: int) -> list[Row]:
    return [row for row in rows if len(json.dumps(row, ensure_ascii=False)) <= most]


def _demo(models: Path) -> dict[str, Any]:
    from sanetune.demo import MODEL

    return {"name": str(MODEL)}


def _stories(models: Path) -> dict[str, Any]:
    return {"name": str(shared() / "models/stories260k"), "chat_template": "chatml"}


def _qwen3(models: Path) -> dict[str, Any]:
    from tests.real import qwen3

    return {"name": str(once(models / "qwen3", lambda folder: qwen3(shared(), folder)))}


def _llama3(models: Path) -> dict[str, Any]:
    """GPT-2's shape and tokenizer with Llama 3's template and tokens."""

    def build(folder: Path) -> None:
        tokens = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "pad_token": "<|finetune_right_pad_id|>"}
        tokenizer = _tokenizer("gpt2", "llama3", ["<|start_header_id|>", "<|end_header_id|>"], **tokens)
        _gpt2(tokenizer).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return {"name": str(once(models / "llama3", build))}


def _gemma(models: Path) -> dict[str, Any]:
    """A small Llama with GPT-2's tokenizer and Gemma's template and tokens."""

    def build(folder: Path) -> None:
        tokens = {"bos_token": "<bos>", "eos_token": "<end_of_turn>", "pad_token": "<pad>"}
        tokenizer = _tokenizer("gpt2", "gemma", ["<start_of_turn>"], **tokens)
        _llama(tokenizer).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return {"name": str(once(models / "gemma", build))}


def _minimind(models: Path) -> dict[str, Any]:
    """A small Llama with MiniMind's own tokenizer and template."""

    def build(folder: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(shared() / "tokenizers/minimind"))
        _llama(tokenizer).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return {"name": str(once(models / "minimind", build))}


FAMILIES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "demo": _demo,
    "stories": _stories,
    "qwen3": _qwen3,
    "llama3": _llama3,
    "gemma": _gemma,
    "minimind": _minimind,
}
"""Makers of the section ``model``."""


def trl_template(name: str) -> str:
    """A chat template that TRL ships."""
    import trl

    return (Path(trl.__file__).parent / f"chat_templates/{name}.jinja").read_text(encoding="utf-8")


def once(folder: Path, build: Callable[[Path], Any]) -> Path:
    """``folder``, built where it is not there yet; cases that want it at the same time wait for the first."""
    from filelock import FileLock

    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            scratch = folder.with_name(f".{folder.name}")
            shutil.rmtree(scratch, ignore_errors=True)
            build(scratch)
            scratch.rename(folder)
    return folder


def _tokenizer(vocabulary: str, template: str, more: list[str], **tokens: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    file = shared() / f"tokenizers/{vocabulary}/tokenizer.json"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file), **tokens)
    tokenizer.add_special_tokens({"extra_special_tokens": more})
    tokenizer.chat_template = trl_template(template)
    return tokenizer


def special_ids(tokenizer: Any) -> dict[str, Any]:
    """What a model's configuration has to know of its tokenizer."""
    return {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _gpt2(tokenizer: Any) -> Any:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=1024, **special_ids(tokenizer)))


def _llama(tokenizer: Any) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    more = {"max_position_embeddings": 16384, "tie_word_embeddings": True, **sizes}
    return LlamaForCausalLM(LlamaConfig(**more, **special_ids(tokenizer)))
