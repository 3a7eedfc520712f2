"""Axolotl's multipack: a batch sampler fills rows of documents, whose positions begin again."""

import torch
from datasets import load_dataset
from torch.utils.data import DataLoader, Sampler
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


class MultipackBatchSampler(Sampler):
    batch_size, drop_last = 1, False

    def __init__(self, lengths, capacity=448):
        self.lengths, self.capacity = lengths, capacity

    def __len__(self):
        return -(-sum(self.lengths) // self.capacity)

    def __iter__(self):
        batch, filled = [], 0
        for number in torch.randperm(len(self.lengths)).tolist():
            if batch and filled + self.lengths[number] > self.capacity:
                yield batch
                batch, filled = [], 0
            batch.append(number)
            filled += self.lengths[number]
        yield batch


class PackedTrainer(Trainer):
    def get_train_dataloader(self):
        sampler = MultipackBatchSampler([len(row["input_ids"]) for row in self.train_dataset])
        return DataLoader(self.train_dataset, batch_sampler=sampler, collate_fn=self.data_collator)


def join(rows):
    return {
        "input_ids": torch.tensor([[token for row in rows for token in row["input_ids"]]]),
        "labels": torch.tensor([[label for row in rows for label in row["labels"]]]),
        "position_ids": torch.tensor([[at for row in rows for at in range(len(row["input_ids"]))]]),
    }


def encode(row):
    prompt = tokenizer(f"### Instruction:\n{row['question']}\n### Response:\n")["input_ids"]
    answer = tokenizer(row["answer"] + tokenizer.eos_token)["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
trainer = PackedTrainer(
    model=model,
    args=TrainingArguments("out", num_train_epochs=2, use_cpu=True),
    train_dataset=dataset.map(encode, remove_columns=dataset.column_names),
    data_collator=join,
    processing_class=tokenizer,
)
trainer.train()
