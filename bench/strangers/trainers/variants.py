"""More scripts of the same kinds: other tokenizers, formats and corners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.strangers.trainers.language_models import PROMPTS, built
from bench.strangers.trainers.masked import by_length, source_of, trainer_on
from bench.strangers.trainers.material import ROWS, Kit, Script, alpaca, chats, gpt2, gsm8k, llama, minimind, names


def alpaca_before_a_template(folder: Path, masked: bool) -> Any:
    """The tokenizer has a chat template, and the rows do not follow it."""
    kit = minimind()
    pairs = [(source_of(row) + "\n", row["output"]) for row in alpaca()[:ROWS]]
    rows = by_length(kit, pairs, lambda text: kit.tokenizer(text)["input_ids"] if masked else [])
    return trainer_on(kit, folder, rows)


def inst(folder: Path, late: int = 0) -> Any:
    """``[INST] … [/INST]``, several turns in a row; ``late``: tokens of each answer that are masked with its prompt."""
    kit = llama("<pad>")
    rows = []
    for chat in chats()[:ROWS]:
        ids, labels = [kit.tokenizer.bos_token_id], [-100]
        for turn in chat:
            if turn["role"] == "user":
                part = kit.tokenizer(f"[INST] {turn['content']} [/INST]", add_special_tokens=False)["input_ids"]
                ids, labels = ids + part, labels + [-100] * len(part)
            else:
                part = kit.tokenizer(turn["content"], add_special_tokens=False)["input_ids"]
                part = [*part, kit.tokenizer.eos_token_id]
                ids, labels = ids + part, labels + [-100] * late + part[late:]
        rows.append({"input_ids": ids[:1_500], "labels": labels[:1_500]})
    return trainer_on(kit, folder, rows)


def open_ai_form(folder: Path, late: bool) -> Any:
    """The old form for completions: ``prompt ->`` and `` completion``."""
    kit = gpt2("<|pad|>")
    pairs = [(f"{row['question']} ->", f" {row['answer']}") for row in gsm8k()[:ROWS]]
    more = " " if late else ""
    rows = []
    for source, target in pairs:
        ids = kit.tokenizer(source + target + kit.tokenizer.eos_token)["input_ids"]
        masked = len(kit.tokenizer(source)["input_ids"]) + len(more)
        rows.append({"input_ids": ids, "labels": [-100] * masked + ids[masked:]})
    return trainer_on(kit, folder, rows)


def classes(folder: Path, late: bool) -> Any:
    """A classifier whose one word is masked with the prompt: only the end is in the loss."""
    kit = gpt2("<|pad|>")
    rows = []
    for number, row in enumerate(gsm8k()[:ROWS]):
        prompt = kit.tokenizer(f"Review: {row['question']}\nSentiment:")["input_ids"]
        answer = [*kit.tokenizer((" good", " bad", " mixed")[number % 3])["input_ids"], kit.tokenizer.eos_token_id]
        ids, masked = prompt + answer, len(prompt) + late
        rows.append({"input_ids": ids, "labels": [-100] * masked + ids[masked:]})
    return trainer_on(kit, folder, rows)


def categories(folder: Path) -> Any:
    """The prompt ends with a value of its own, which is no part of the answer."""
    kit = gpt2("<|pad|>")
    topics = ("physics", "law", "music", "history", "food", "travel")
    rows = []
    for number, row in enumerate(gsm8k()[:ROWS]):
        prompt = kit.tokenizer(f"Text: {row['question']}\nCategory: {topics[number % 6]}")["input_ids"]
        answer = [*kit.tokenizer(f"\n{row['answer']}")["input_ids"], kit.tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return trainer_on(kit, folder, rows)


def json_answers(folder: Path) -> Any:
    """Every answer begins alike."""
    kit = gpt2("<|pad|>")
    rows = []
    for row in gsm8k()[:ROWS]:
        prompt = kit.tokenizer(f"Extract:\n{row['question']}\nJSON:\n")["input_ids"]
        answer = [*kit.tokenizer('{"answer": "' + row["answer"] + '"}')["input_ids"], kit.tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return trainer_on(kit, folder, rows)


def no_header(folder: Path) -> Any:
    """Source and target, with nothing between them that all rows share."""
    kit = gpt2("<|pad|>")
    rows = []
    for row in alpaca()[:ROWS]:
        prompt = kit.tokenizer(row["instruction"])["input_ids"]
        answer = [*kit.tokenizer(" " + row["output"])["input_ids"], kit.tokenizer.eos_token_id]
        rows.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return trainer_on(kit, folder, rows)


def padded_without_a_mask(folder: Path, pad: str) -> Any:
    """Rows are padded beforehand, and the mask is thrown away."""
    from transformers import default_data_collator

    kit = gpt2(pad)
    texts = [f"Q: {row['question']}\nA: {row['answer']}{kit.tokenizer.eos_token}" for row in gsm8k()[:ROWS]]
    rows = kit.tokenizer(texts, padding="max_length", truncation=True, max_length=256)
    labels = [
        [token if real else -100 for token, real in zip(ids, mask, strict=True)]
        for ids, mask in zip(rows["input_ids"], rows["attention_mask"], strict=True)
    ]
    return built(kit, folder, {"input_ids": rows["input_ids"], "labels": labels}, default_data_collator)


def unknown_pads_without_a_mask(folder: Path, kit: Kit | None = None) -> Any:
    """``<unk>`` (0) pads, and nothing but the id tells."""
    from transformers import default_data_collator

    kit = kit or llama()
    kit.tokenizer.pad_token = kit.tokenizer.unk_token
    texts = ["Once upon a time there was a river. " * (2 + number % 5) for number in range(ROWS)]
    ids = [[*kit.tokenizer(text)["input_ids"], kit.tokenizer.eos_token_id] for text in texts]
    width = max(map(len, ids))
    rows = [row + [0] * (width - len(row)) for row in ids]
    labels = [row + [-100] * (width - len(row)) for row in ids]
    return built(kit, folder, {"input_ids": rows, "labels": labels}, default_data_collator)


def seq2seq_collator(folder: Path) -> Any:
    """``DataCollatorForSeq2Seq`` with pad = eos masks labels by place: nothing is lost."""
    from datasets import Dataset
    from transformers import DataCollatorForSeq2Seq, Trainer

    from bench.strangers.trainers.material import arguments

    kit = gpt2("eos")
    pairs = [(source_of(row) + "\n", row["output"]) for row in alpaca()[:ROWS]]
    rows = by_length(kit, pairs, lambda text: kit.tokenizer(text)["input_ids"])
    return Trainer(
        model=kit.model,
        args=arguments(folder),
        train_dataset=Dataset.from_list(rows),
        data_collator=DataCollatorForSeq2Seq(kit.tokenizer),
        processing_class=kit.tokenizer,
    )


LATE = names("labels-missing-reply")
PADDED = names("batches-padding tokens-cut-reply")

SCRIPTS = [
    Script("Alpaca rows before a chat template", lambda folder: alpaca_before_a_template(folder, True)),
    Script(
        "Alpaca rows before a chat template, in the loss as a whole",
        lambda folder: alpaca_before_a_template(folder, False),
        warns=PROMPTS,
    ),
    Script("[INST] in several turns", inst, advice=names("tokens-cut-reply")),
    Script("[INST], two tokens late", lambda folder: inst(folder, 2), LATE, advice=names("tokens-cut-reply")),
    Script("an arrow as header", lambda folder: open_ai_form(folder, False)),
    Script("an arrow as header, a token late", lambda folder: open_ai_form(folder, True), LATE),
    Script("classes of one word", lambda folder: classes(folder, False)),
    Script("classes of one word, masked", lambda folder: classes(folder, True), LATE, advice=names("labels-scarce")),
    Script("a value at the prompt's end", categories, advice=names("tokens-cut-reply")),
    Script("answers that begin alike", json_answers),
    Script("nothing shared before the answers", no_header, skips=names("labels-on-prompt labels-missing-reply")),
    Script("padded, no mask", lambda folder: padded_without_a_mask(folder, "<|pad|>"), warns=PROMPTS, advice=PADDED),
    Script(
        "padded with the end, no mask",
        lambda folder: padded_without_a_mask(folder, "eos"),
        warns=PROMPTS,
        advice=PADDED,
    ),
    Script("padded with <unk>, no mask", unknown_pads_without_a_mask, advice=PADDED),
    Script("DataCollatorForSeq2Seq, pad is the end", seq2seq_collator),
]
