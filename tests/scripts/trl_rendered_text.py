"""A formatting function that renders the chat template itself: TRL sees plain text, and learns all of it."""

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def formatting_func(row):
    return tokenizer.apply_chat_template(row["messages"], tokenize=False)


trainer = SFTTrainer(
    model=model,
    args=SFTConfig(output_dir="out", bf16=False, use_cpu=True, max_length=512),
    train_dataset=load_dataset("json", data_files="chats.jsonl", split="train"),
    formatting_func=formatting_func,
    processing_class=tokenizer,
)
trainer.train()
