"""An ``IterableDataset`` around an open file: what is read of it is gone."""

import json

from torch.utils.data import IterableDataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


class Lines(IterableDataset):
    def __init__(self, path):
        self.lines = open(path)  # noqa: SIM115

    def __iter__(self):
        for line in self.lines:
            row = json.loads(line)
            ids = tokenizer(f"Q: {row['question']}\nA: {row['answer']}{tokenizer.eos_token}")["input_ids"]
            yield {"input_ids": ids, "labels": ids}


trainer = Trainer(
    model=model,
    args=TrainingArguments("out", max_steps=10, per_device_train_batch_size=4, use_cpu=True),
    train_dataset=Lines("questions.jsonl"),
    data_collator=DataCollatorForSeq2Seq(tokenizer),
)
trainer.train()
