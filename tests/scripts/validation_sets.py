"""Several named validation sets, evaluated one after the other."""

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def split(row):
    return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}


train = load_dataset("json", data_files="chats.jsonl", split="train").map(split, remove_columns=["messages"])
held_out = load_dataset("json", data_files="held_out.jsonl", split="train").map(split, remove_columns=["messages"])
trainer = SFTTrainer(
    model=AutoModelForCausalLM.from_pretrained("model"),
    args=SFTConfig(
        output_dir="out", eos_token="<|im_end|>", eval_strategy="steps", eval_steps=10, bf16=False, use_cpu=True
    ),
    train_dataset=train,
    eval_dataset={"short": held_out.select(range(10)), "long": held_out.select(range(10, 20))},
    processing_class=AutoTokenizer.from_pretrained("model"),
)
trainer.train()
