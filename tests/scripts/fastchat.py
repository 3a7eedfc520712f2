"""FastChat's train.py: rows of one length, masks counted in words between separators."""

import json

from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

IGNORE_TOKEN_ID = -100
SYSTEM = "A chat between a curious user and an assistant."


def preprocess(rows, tokenizer):
    texts = []
    for row in rows:
        text = SYSTEM
        for turn in row["messages"]:
            if turn["role"] == "user":
                text += f" USER: {turn['content']}"
            elif turn["role"] == "assistant":
                text += f" ASSISTANT: {turn['content']}{tokenizer.eos_token}"
        texts.append(text)
    batch = tokenizer(
        texts, return_tensors="pt", padding="max_length", max_length=tokenizer.model_max_length, truncation=True
    )
    targets = batch.input_ids.clone()
    for text, target in zip(texts, targets):  # noqa: B905
        total = int(target.ne(tokenizer.pad_token_id).sum())
        at = 0
        for turn in text.split(tokenizer.eos_token):
            if not turn or at >= total:
                break
            parts = turn.split(" ASSISTANT: ")
            if len(parts) != 2:
                break
            instruction = len(tokenizer(parts[0] + " ASSISTANT:").input_ids)
            target[at : at + instruction] = IGNORE_TOKEN_ID
            at += len(tokenizer(turn + tokenizer.eos_token).input_ids)
        target[at:] = IGNORE_TOKEN_ID
    return {"input_ids": batch.input_ids, "labels": targets, "attention_mask": batch.attention_mask}


class SupervisedDataset(Dataset):
    def __init__(self, rows, tokenizer):
        self.data = preprocess(rows, tokenizer)

    def __len__(self):
        return len(self.data["input_ids"])

    def __getitem__(self, i):
        return {name: value[i] for name, value in self.data.items()}


tokenizer = AutoTokenizer.from_pretrained("model", model_max_length=512, padding_side="right")
tokenizer.chat_template = None
model = AutoModelForCausalLM.from_pretrained("model")
rows = [json.loads(line) for line in open("chats.jsonl")]  # noqa: SIM115
train_dataset = SupervisedDataset(rows, tokenizer)
trainer = Trainer(
    model=model,
    processing_class=tokenizer,
    args=TrainingArguments("out", per_device_train_batch_size=4, use_cpu=True),
    train_dataset=train_dataset,
)
trainer.train()
