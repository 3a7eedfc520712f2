"""Batches without padding: one long row with positions that begin again."""

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

dataset = load_dataset("json", data_files="chats.jsonl", split="train")
dataset = dataset.map(
    lambda row: {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}, remove_columns=["messages"]
)
args = SFTConfig(output_dir="out", padding_free=True, max_length=None, eos_token="<|im_end|>", bf16=False, use_cpu=True)
trainer = SFTTrainer(model="model", args=args, train_dataset=dataset)
trainer.train()
