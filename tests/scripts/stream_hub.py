"""``load_dataset(..., streaming=True)``, shuffled in a buffer, two sources interleaved."""

from datasets import interleave_datasets, load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"Q: {row['question']}\nA:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


first = load_dataset("json", data_files="questions.jsonl", split="train", streaming=True)
second = load_dataset("json", data_files="more_questions.jsonl", split="train", streaming=True)
mixed = interleave_datasets([first, second], probabilities=[0.7, 0.3], seed=42)
stream = mixed.map(encode, remove_columns=["question", "answer"]).shuffle(seed=1, buffer_size=50)

trainer = Trainer(
    model=model,
    args=TrainingArguments("out", max_steps=10, per_device_train_batch_size=4, use_cpu=True),
    train_dataset=stream,
    data_collator=DataCollatorForSeq2Seq(tokenizer),
)
trainer.train()
