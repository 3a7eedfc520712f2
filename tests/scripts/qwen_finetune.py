"""Qwen's finetune.py: system, user and assistant are put together by ids; turn markers are learned by design."""

import json

import torch
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

IGNORE_TOKEN_ID = -100


def preprocess(rows, tokenizer, max_len=512):
    im_start, im_end = tokenizer.convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    nl_tokens = tokenizer("\n").input_ids
    input_ids, targets = [], []
    for row in rows:
        input_id, target = [], []
        for turn in row["messages"]:
            role = tokenizer(turn["role"]).input_ids
            content = tokenizer(turn["content"]).input_ids
            ids = [im_start, *role, *nl_tokens, *content, im_end, *nl_tokens]
            input_id += ids
            if turn["role"] == "assistant":
                masked = [IGNORE_TOKEN_ID] * (len(role) + len(nl_tokens))
                target += [im_start, *masked, *content, im_end, *nl_tokens]
            else:
                target += [im_start, *[IGNORE_TOKEN_ID] * (len(ids) - 3), im_end, *nl_tokens]
        room = max_len - len(input_id)
        input_ids.append((input_id + [tokenizer.pad_token_id] * room)[:max_len])
        targets.append((target + [IGNORE_TOKEN_ID] * room)[:max_len])
    input_ids = torch.tensor(input_ids, dtype=torch.int)
    targets = torch.tensor(targets, dtype=torch.int)
    return {"input_ids": input_ids, "labels": targets, "attention_mask": input_ids.ne(tokenizer.pad_token_id)}


class SupervisedDataset(Dataset):
    def __init__(self, rows, tokenizer):
        self.data = preprocess(rows, tokenizer)

    def __len__(self):
        return len(self.data["input_ids"])

    def __getitem__(self, i):
        return {name: value[i] for name, value in self.data.items()}


tokenizer = AutoTokenizer.from_pretrained("model")
tokenizer.eos_token = "<|im_end|>"
model = AutoModelForCausalLM.from_pretrained("model")
model.generation_config.eos_token_id = tokenizer.eos_token_id
rows = [json.loads(line) for line in open("chats.jsonl")]  # noqa: SIM115
trainer = Trainer(
    model=model,
    processing_class=tokenizer,
    args=TrainingArguments("out", per_device_train_batch_size=4, use_cpu=True),
    train_dataset=SupervisedDataset(rows, tokenizer),
)
trainer.train()
