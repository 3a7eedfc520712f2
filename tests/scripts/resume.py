"""A run that stopped after two steps goes on from its checkpoint."""

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"Question: {row['question']}\nAnswer:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset = dataset.map(encode, remove_columns=dataset.column_names)


def trainer(steps):
    args = TrainingArguments("out", max_steps=steps, save_steps=2, per_device_train_batch_size=4, use_cpu=True)
    model = AutoModelForCausalLM.from_pretrained("model")
    return Trainer(model, args, train_dataset=dataset, data_collator=DataCollatorForSeq2Seq(tokenizer))


trainer(2).train()
trainer(20).train(resume_from_checkpoint=True)
