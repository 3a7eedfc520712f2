"""Dolly: a collator that masks everything before the response key."""

import numpy as np
from datasets import load_dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)

RESPONSE_KEY = "### Response:\n"


class DataCollatorForCompletionOnlyLM(DataCollatorForLanguageModeling):
    def torch_call(self, examples):
        batch = super().torch_call(examples)
        labels = batch["labels"].clone()
        key = self.tokenizer.encode(RESPONSE_KEY)
        for i in range(len(examples)):
            start = None
            for at in np.where(batch["labels"][i] == key[0])[0]:
                if batch["labels"][i, at : at + len(key)].tolist() == key:
                    start = at
                    break
            if start is None:
                raise RuntimeError("Could not find response key")
            labels[i, : start + len(key)] = -100
        batch["labels"] = labels
        return batch


tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")

dataset = load_dataset("json", data_files="questions.jsonl")["train"]
dataset = dataset.map(
    lambda row: {"text": f"### Instruction:\n{row['question']}\n\n{RESPONSE_KEY}{row['answer']}<|endoftext|>"}
)
dataset = dataset.map(
    lambda batch: tokenizer(batch["text"], max_length=512, truncation=True),
    batched=True,
    remove_columns=["question", "answer", "text"],
)
dataset = dataset.filter(lambda row: len(row["input_ids"]) < 512).shuffle(seed=1)

trainer = Trainer(
    model=model,
    processing_class=tokenizer,
    args=TrainingArguments(output_dir="out", per_device_train_batch_size=8, learning_rate=1e-5, use_cpu=True),
    train_dataset=dataset,
    data_collator=DataCollatorForCompletionOnlyLM(tokenizer=tokenizer, mlm=False, pad_to_multiple_of=8),
)
trainer.train()
