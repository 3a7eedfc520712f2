"""StarCoder's ``ConstantLengthDataset``: an endless stream of joined texts, cut into blocks."""

import random

import torch
from datasets import load_dataset
from torch.utils.data import IterableDataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


class ConstantLengthDataset(IterableDataset):
    def __init__(self, dataset, seq_length=128, buffer=20):
        self.dataset, self.seq_length, self.buffer = dataset, seq_length, buffer

    def __iter__(self):
        iterator = iter(self.dataset)
        while True:
            texts = []
            while len(texts) < self.buffer:
                try:
                    texts.append(next(iterator)["text"])
                except StopIteration:
                    iterator = iter(self.dataset)
            ids = []
            for one in tokenizer(texts)["input_ids"]:
                ids += [*one, tokenizer.eos_token_id]
            blocks = [ids[at : at + self.seq_length] for at in range(0, len(ids), self.seq_length)]
            random.shuffle(blocks)
            for block in blocks:
                if len(block) == self.seq_length:
                    yield {"input_ids": torch.LongTensor(block), "labels": torch.LongTensor(block)}


stream = ConstantLengthDataset(load_dataset("json", data_files="texts.jsonl", split="train"))
trainer = Trainer(
    model=model,
    args=TrainingArguments("out", max_steps=12, per_device_train_batch_size=4, use_cpu=True),
    train_dataset=stream,
    processing_class=tokenizer,
)
trainer.train()
