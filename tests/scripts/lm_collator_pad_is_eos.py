"""The commonest notebook: the end token pads, and the collator for language models masks it everywhere."""

from datasets import load_dataset
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainingArguments,
)

tokenizer = AutoTokenizer.from_pretrained("model")
tokenizer.pad_token = tokenizer.eos_token
model = AutoModelForCausalLM.from_pretrained("model")

dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset = dataset.map(
    lambda row: tokenizer(f"### Question: {row['question']}\n### Answer: {row['answer']}" + tokenizer.eos_token),
    remove_columns=dataset.column_names,
)

trainer = Trainer(
    model=model,
    args=TrainingArguments(output_dir="out", per_device_train_batch_size=8, use_cpu=True),
    train_dataset=dataset,
    data_collator=DataCollatorForLanguageModeling(tokenizer, mlm=False),
)
trainer.train()
