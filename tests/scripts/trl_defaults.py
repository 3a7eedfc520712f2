"""TRL's README: a column of messages and nothing else. Every token is in the loss."""

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

trainer = SFTTrainer(
    model="model",
    args=SFTConfig(output_dir="out", eos_token="<|im_end|>", bf16=False, use_cpu=True),
    train_dataset=load_dataset("json", data_files="chats.jsonl", split="train"),
)
trainer.train()
