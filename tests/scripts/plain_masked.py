"""Plain Trainer, prompts masked by their own length, rows padded by a few lines of code."""

import json

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")

rows = [json.loads(line) for line in open("questions.jsonl")]  # noqa: SIM115


def tokenize(row):
    prompt = tokenizer(f"Question: {row['question']}\nAnswer:")["input_ids"]
    answer = tokenizer(" " + row["answer"])["input_ids"] + [tokenizer.eos_token_id]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


def collate(batch):
    width = max(len(row["input_ids"]) for row in batch)
    ids = torch.full((len(batch), width), tokenizer.pad_token_id)
    labels = torch.full((len(batch), width), -100)
    for number, row in enumerate(batch):
        ids[number, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        labels[number, : len(row["labels"])] = torch.tensor(row["labels"])
    return {"input_ids": ids, "labels": labels, "attention_mask": (ids != tokenizer.pad_token_id).long()}


dataset = Dataset.from_list(rows).map(tokenize, remove_columns=["question", "answer"])
args = TrainingArguments("out", num_train_epochs=2, per_device_train_batch_size=4, use_cpu=True)
trainer = Trainer(model, args, train_dataset=dataset, data_collator=collate, processing_class=tokenizer)
trainer.train()
