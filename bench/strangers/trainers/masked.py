"""Scripts that mask the prompt by hand: by its length, by a response key, by roles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.strangers.trainers.material import (
    ROWS,
    Kit,
    Listed,
    Script,
    alpaca,
    arguments,
    chats,
    gpt2,
    gsm8k,
    llama,
    minimind,
    names,
)

PROMPT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
)
PROMPT_ALONE = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:"
)


def source_of(row: dict[str, str]) -> str:
    return (PROMPT if row["input"] else PROMPT_ALONE).format_map(row)


class PadsLabels:
    """Alpaca's ``DataCollatorForSupervisedDataset``: the attention mask is read off the pad token's id."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = [torch.as_tensor(row["input_ids"]) for row in rows]
        labels = [torch.as_tensor(row["labels"]) for row in rows]
        padded = pad_sequence(ids, batch_first=True, padding_value=self.pad)
        return {
            "input_ids": padded,
            "labels": pad_sequence(labels, batch_first=True, padding_value=-100),
            "attention_mask": padded.ne(self.pad),
        }


def by_length(kit: Kit, pairs: list[tuple[str, str]], prompt_ids: Callable[[str], list[int]]) -> list[dict[str, Any]]:
    """Ids of prompt and answer in one go, masked for as many tokens as the prompt has by itself."""
    rows = []
    for source, target in pairs:
        ids = kit.tokenizer(source + target + kit.tokenizer.eos_token)["input_ids"]
        masked = min(len(prompt_ids(source)), len(ids))
        rows.append({"input_ids": ids, "labels": [-100] * masked + ids[masked:]})
    return rows


def trainer_on(kit: Kit, folder: Path, rows: list[dict[str, Any]], **keys: Any) -> Any:
    from transformers import Trainer

    collator = PadsLabels(kit.tokenizer.pad_token_id)
    parts = {"train_dataset": Listed(rows), "data_collator": collator, "processing_class": kit.tokenizer}
    return Trainer(model=kit.model, args=arguments(folder, **keys), **parts)


def stanford_alpaca(folder: Path, pad: str, kit: Kit | None = None) -> Any:
    """The script that most others were copied from."""
    kit = kit or llama(pad)
    pairs = [(source_of(row), row["output"]) for row in alpaca()[:ROWS]]
    return trainer_on(kit, folder, by_length(kit, pairs, lambda text: kit.tokenizer(text)["input_ids"]))


def trailing_space(folder: Path) -> Any:
    """The prompt ends with a space, which belongs to the answer's first token once both are joined."""
    kit = gpt2("<|pad|>")
    pairs = [(f"Question: {row['question']}\nAnswer: ", row["answer"]) for row in gsm8k()[:ROWS]]
    return trainer_on(kit, folder, by_length(kit, pairs, lambda text: kit.tokenizer(text)["input_ids"]))


def prompt_with_end(folder: Path) -> Any:
    """The prompt by itself was tokenized with an end token, so it is one longer than in the row."""
    kit = gpt2("<|pad|>")
    pairs = [(source_of(row) + "\n", row["output"]) for row in alpaca()[:ROWS]]
    end = kit.tokenizer.eos_token
    return trainer_on(kit, folder, by_length(kit, pairs, lambda text: kit.tokenizer(text + end)["input_ids"]))


def prompt_without_start(folder: Path) -> Any:
    """The row has a beginning-of-sequence token, the prompt by itself has none: the header's last token is learned."""
    kit = llama("<pad>")
    pairs = [(source_of(row), row["output"]) for row in alpaca()[:ROWS]]
    bare = {"add_special_tokens": False}
    return trainer_on(kit, folder, by_length(kit, pairs, lambda text: kit.tokenizer(text, **bare)["input_ids"]))


def half_of_the_answer(folder: Path) -> Any:
    """The prompt's characters were counted, not its tokens: nearly every answer is masked."""
    kit = gpt2("<|pad|>")
    pairs = [(source_of(row) + "\n", row["output"]) for row in alpaca()[:ROWS]]
    return trainer_on(kit, folder, by_length(kit, pairs, lambda text: list(range(len(text)))))


def no_end(folder: Path) -> Any:
    """Nobody has added an end token."""
    kit = gpt2("<|pad|>")
    rows = []
    for row in alpaca()[:ROWS]:
        prompt = kit.tokenizer(source_of(row) + "\n")["input_ids"]
        answer = kit.tokenizer(row["output"])["input_ids"]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return trainer_on(kit, folder, rows)


def joined_ids(folder: Path, pad: str) -> Any:
    """Prompt and answer are tokenized apart and joined as ids: the border is exact by construction."""
    kit = gpt2(pad)
    rows = []
    for row in gsm8k()[:ROWS]:
        prompt = kit.tokenizer(f"Q: {row['question']}\nA:")["input_ids"]
        answer = [*kit.tokenizer(" " + row["answer"])["input_ids"], kit.tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return trainer_on(kit, folder, rows)


def sorted_into_classes(folder: Path) -> Any:
    """A classifier written as a language model: the answer is one word, with an end."""
    kit = gpt2("<|pad|>")
    rows = []
    for number, row in enumerate(gsm8k()[:ROWS]):
        prompt = kit.tokenizer(f"Text: {row['question']}\nIs it long?\nSentiment:")["input_ids"]
        answer = [*kit.tokenizer(" yes" if number % 2 else " no")["input_ids"], kit.tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return trainer_on(kit, folder, rows)


def alpaca_lora(folder: Path, train_on_inputs: bool) -> Any:
    """alpaca-lora: ``<unk>`` (0) pads on the left, ``DataCollatorForSeq2Seq`` pads the labels."""
    from datasets import Dataset
    from transformers import DataCollatorForSeq2Seq, Trainer

    kit = llama()
    kit.tokenizer.pad_token_id = 0
    kit.tokenizer.padding_side = "left"

    def tokenized(text: str, end: bool = True) -> dict[str, list[int]]:
        found = kit.tokenizer(text, truncation=True, max_length=2_048, padding=False)
        ids = [*found["input_ids"], *([kit.tokenizer.eos_token_id] if end else [])]
        return {"input_ids": ids, "attention_mask": [1] * len(ids), "labels": list(ids)}

    rows = []
    for row in alpaca()[:ROWS]:
        source = source_of(row) + "\n"
        made = tokenized(source + row["output"])
        if not train_on_inputs:
            length = len(tokenized(source, end=False)["input_ids"])
            made["labels"] = [-100] * length + made["labels"][length:]
        rows.append(made)
    collator = DataCollatorForSeq2Seq(kit.tokenizer, pad_to_multiple_of=8, return_tensors="pt", padding=True)
    return Trainer(
        model=kit.model,
        args=arguments(folder),
        train_dataset=Dataset.from_list(rows),
        data_collator=collator,
        processing_class=kit.tokenizer,
    )


class CompletionOnly:
    """What TRL's ``DataCollatorForCompletionOnlyLM`` did: all before the last response key is masked."""

    def __init__(self, key: str, tokenizer: Any) -> None:
        from transformers import DataCollatorForLanguageModeling

        self.key = tokenizer(key, add_special_tokens=False)["input_ids"]
        self.collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self.collate(rows)
        for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"], strict=True):
            places = [at for at in range(len(ids)) if ids[at : at + len(self.key)] == self.key]
            labels[: places[-1] + len(self.key) if places else len(ids)] = -100
        return batch


def completion_only(folder: Path, key: str, pad: str) -> Any:
    from datasets import Dataset
    from transformers import Trainer

    kit = gpt2(pad)
    end = kit.tokenizer.eos_token
    texts = [f"### Question: {row['question']}\n### Answer: {row['answer']}{end}" for row in gsm8k()[:ROWS]]
    return Trainer(
        model=kit.model,
        args=arguments(folder),
        train_dataset=Dataset.from_dict({"input_ids": kit.tokenizer(texts)["input_ids"]}),
        data_collator=CompletionOnly(key, kit.tokenizer),
        processing_class=kit.tokenizer,
    )


def vicuna(folder: Path) -> Any:
    """FastChat's train.py: every answer of a conversation is learned, with its end."""
    kit = gpt2("<|pad|>")
    end = kit.tokenizer.eos_token
    rows = []
    for chat in chats()[:ROWS]:
        ids = kit.tokenizer("A chat between a curious user and an artificial intelligence assistant. ")["input_ids"]
        labels = [-100] * len(ids)
        for turn in chat:
            header = kit.tokenizer("USER:" if turn["role"] == "user" else " ASSISTANT:")["input_ids"]
            body = kit.tokenizer(f" {turn['content']}" + (end if turn["role"] == "assistant" else ""))["input_ids"]
            ids += header + body
            labels += [-100] * len(header) + (body if turn["role"] == "assistant" else [-100] * len(body))
        rows.append({"input_ids": ids, "labels": labels})
    return trainer_on(kit, folder, rows)


def qwen_finetune(folder: Path) -> Any:
    """Qwen's finetune.py: ChatML by hand; ``<|im_start|>`` of every answer and the newline after it are learned."""
    kit = minimind()
    start, end = (kit.tokenizer.convert_tokens_to_ids(one) for one in ("<|im_start|>", "<|im_end|>"))
    newline = kit.tokenizer("\n")["input_ids"]
    rows = []
    for chat in chats()[:ROWS]:
        ids: list[int] = []
        labels: list[int] = []
        for turn in [{"role": "system", "content": "You are a helpful assistant."}, *chat]:
            name = kit.tokenizer(turn["role"])["input_ids"]
            body = kit.tokenizer(turn["content"])["input_ids"]
            ids += [start, *name, *newline, *body, end, *newline]
            inside = body if turn["role"] == "assistant" else [-100] * len(body)
            labels += [start, *[-100] * (len(name) + len(newline)), *inside, end, *newline]
        rows.append({"input_ids": ids[:1_024], "labels": labels[:1_024]})
    return trainer_on(kit, folder, rows)


SCRIPTS = [
    Script("Alpaca's train.py, its own pad token", lambda folder: stanford_alpaca(folder, "[PAD]")),
    Script("Alpaca's train.py, pad token is the end token", lambda folder: stanford_alpaca(folder, "eos")),
    Script("Alpaca's train.py with GPT-2", lambda folder: stanford_alpaca(folder, "", gpt2("[PAD]"))),
    Script("a space at the prompt's end", trailing_space, fails=names("labels-missing-reply")),
    Script("prompt tokenized with an end", prompt_with_end, fails=names("labels-missing-reply")),
    Script("prompt tokenized without its start", prompt_without_start, warns=names("labels-on-prompt")),
    Script("prompt counted in characters", half_of_the_answer, fails=names("labels-none")),
    Script("no end token at all", no_end, fails=names("template-end-unlearnt")),
    Script("ids of prompt and answer joined", lambda folder: joined_ids(folder, "<|pad|>")),
    Script("ids joined, pad token is the end token", lambda folder: joined_ids(folder, "eos")),
    Script("one word is the answer", sorted_into_classes),
    Script("alpaca-lora, prompts masked", lambda folder: alpaca_lora(folder, False)),
    Script(
        "alpaca-lora, prompts learned",
        lambda folder: alpaca_lora(folder, True),
        warns=names("labels-on-prompt"),
    ),
    Script("response key", lambda folder: completion_only(folder, " Answer:", "<|pad|>")),
    Script(
        "response key, pad token is the end token",
        lambda folder: completion_only(folder, " Answer:", "eos"),
        fails=names("labels-on-padding"),
    ),
    Script(
        "response key that tokenizes otherwise",
        lambda folder: completion_only(folder, "Response:", "<|pad|>"),
        fails=names("labels-none"),
    ),
    Script("FastChat's train.py", vicuna),
    Script("Qwen's finetune.py", qwen_finetune, warns=names("labels-disagree")),
]
