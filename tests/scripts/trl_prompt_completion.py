"""TRL on prompt and completion, as messages: the prompt is masked."""

from datasets import load_dataset
from trl import SFTConfig, SFTTrainer


def split(row):
    return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}


dataset = load_dataset("json", data_files="chats.jsonl", split="train").map(split, remove_columns=["messages"])
trainer = SFTTrainer(
    model="model",
    args=SFTConfig(output_dir="out", eos_token="<|im_end|>", bf16=False, use_cpu=True, learning_rate=1e-4),
    train_dataset=dataset,
)
trainer.train()
