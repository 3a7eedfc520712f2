"""The course's causal language model: all texts joined, cut into blocks of one length."""

from itertools import chain

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments, default_data_collator

BLOCK = 128
tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")
raw = load_dataset("json", data_files="texts.jsonl", split="train")
tokenized = raw.map(
    lambda rows: tokenizer([text + tokenizer.eos_token for text in rows["text"]]),
    batched=True,
    remove_columns=["text"],
)


def group_texts(examples):
    joined = {name: list(chain(*examples[name])) for name in examples}
    total = len(joined["input_ids"]) // BLOCK * BLOCK
    result = {name: [ids[at : at + BLOCK] for at in range(0, total, BLOCK)] for name, ids in joined.items()}
    result["labels"] = result["input_ids"].copy()
    return result


blocks = tokenized.map(group_texts, batched=True)
trainer = Trainer(
    model=model,
    args=TrainingArguments("out", learning_rate=5e-4, per_device_train_batch_size=8, use_cpu=True),
    train_dataset=blocks,
    processing_class=tokenizer,
    data_collator=default_data_collator,
)
trainer.train()
