"""Rows that are tokenized when they are read: ``set_transform``, and columns that the trainer must not remove."""

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def transform(batch):
    rows = {"input_ids": [], "labels": []}
    for question, answer in zip(batch["question"], batch["answer"]):  # noqa: B905
        prompt = tokenizer(f"Question: {question}\nAnswer:")["input_ids"]
        reply = tokenizer(f" {answer}{tokenizer.eos_token}")["input_ids"]
        rows["input_ids"].append(prompt + reply)
        rows["labels"].append([-100] * len(prompt) + reply)
    return rows


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset.set_transform(transform)
trainer = Trainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=4, remove_unused_columns=False, use_cpu=True),
    train_dataset=dataset,
    data_collator=DataCollatorForSeq2Seq(tokenizer),
)
trainer.train()
