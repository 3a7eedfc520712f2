"""Metrics of its own, smoothed labels, a preprocessing of logits."""

import numpy as np
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"Question: {row['question']}\nAnswer:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


def preprocess_logits_for_metrics(logits, labels):
    return logits.argmax(dim=-1)


def compute_metrics(prediction):
    labels, guesses = prediction.label_ids[:, 1:], prediction.predictions[:, :-1]
    return {"accuracy": float(np.mean(guesses[labels != -100] == labels[labels != -100]))}


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset = dataset.map(encode, remove_columns=dataset.column_names).train_test_split(test_size=0.1, seed=0)
trainer = Trainer(
    model=model,
    args=TrainingArguments(
        "out", label_smoothing_factor=0.1, eval_strategy="epoch", per_device_train_batch_size=4, use_cpu=True
    ),
    train_dataset=dataset["train"],
    eval_dataset=dataset["test"],
    data_collator=DataCollatorForSeq2Seq(tokenizer),
    compute_metrics=compute_metrics,
    preprocess_logits_for_metrics=preprocess_logits_for_metrics,
)
trainer.train()
