"""Optimizer and schedule of its own: two groups of weights, and another learning rate than the arguments'."""

import torch
from datasets import load_dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
    get_cosine_schedule_with_warmup,
)

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"User: {row['question']}\nBot:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset = dataset.map(encode, remove_columns=dataset.column_names)
decayed = [weight for name, weight in model.named_parameters() if "norm" not in name]
others = [weight for name, weight in model.named_parameters() if "norm" in name]
optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others}], lr=3e-4)
scheduler = get_cosine_schedule_with_warmup(optimizer, 3, 60)

trainer = Trainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=4, num_train_epochs=2, use_cpu=True),
    train_dataset=dataset,
    data_collator=DataCollatorForSeq2Seq(tokenizer),
    optimizers=(optimizer, scheduler),
)
trainer.train()
