"""transformers' own collator without padding, before a plain Trainer."""

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorWithFlattening, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"[INST] {row['question']} [/INST]")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
trainer = Trainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=4, use_cpu=True),
    train_dataset=dataset.map(encode, remove_columns=dataset.column_names),
    data_collator=DataCollatorWithFlattening(),
    processing_class=tokenizer,
)
trainer.train()
