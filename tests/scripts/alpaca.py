"""Stanford Alpaca's train.py: sources and targets tokenized together, a supervised data set and collator."""

import copy
import json
from dataclasses import dataclass

import torch
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizer, Trainer, TrainingArguments

IGNORE_INDEX = -100
PROMPT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{question}\n\n### Response:"
)


def _tokenize_fn(strings, tokenizer):
    tokenized = [tokenizer(text, return_tensors="pt", max_length=512, truncation=True) for text in strings]
    input_ids = [one.input_ids[0] for one in tokenized]
    return {"input_ids": input_ids, "lens": [ids.ne(tokenizer.pad_token_id).sum().item() for ids in input_ids]}


class SupervisedDataset(Dataset):
    def __init__(self, path, tokenizer):
        rows = [json.loads(line) for line in open(path)]  # noqa: SIM115
        sources = [PROMPT.format(**row) for row in rows]
        targets = [f"{row['answer']}{tokenizer.eos_token}" for row in rows]
        examples = _tokenize_fn([source + target for source, target in zip(sources, targets)], tokenizer)  # noqa: B905
        self.input_ids = examples["input_ids"]
        self.labels = copy.deepcopy(self.input_ids)
        for label, length in zip(self.labels, _tokenize_fn(sources, tokenizer)["lens"]):  # noqa: B905
            label[:length] = IGNORE_INDEX

    def __len__(self):
        return len(self.input_ids)

    def __getitem__(self, i):
        return {"input_ids": self.input_ids[i], "labels": self.labels[i]}


@dataclass
class DataCollatorForSupervisedDataset:
    tokenizer: PreTrainedTokenizer

    def __call__(self, instances):
        input_ids, labels = ([one[key] for one in instances] for key in ("input_ids", "labels"))
        pad = torch.nn.utils.rnn.pad_sequence
        input_ids = pad(input_ids, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        labels = pad(labels, batch_first=True, padding_value=IGNORE_INDEX)
        mask = input_ids.ne(self.tokenizer.pad_token_id)
        return {"input_ids": input_ids, "labels": labels, "attention_mask": mask}


def train():
    model = AutoModelForCausalLM.from_pretrained("model")
    tokenizer = AutoTokenizer.from_pretrained("model", model_max_length=512, padding_side="right", use_fast=False)
    trainer = Trainer(
        model=model,
        processing_class=tokenizer,
        args=TrainingArguments("out", num_train_epochs=3, learning_rate=2e-5, lr_scheduler_type="cosine", use_cpu=True),
        train_dataset=SupervisedDataset("questions.jsonl", tokenizer),
        eval_dataset=None,
        data_collator=DataCollatorForSupervisedDataset(tokenizer=tokenizer),
    )
    trainer.train()


if __name__ == "__main__":
    train()
