"""Packed prompts and completions, a LoRA adapter."""

from datasets import load_dataset
from peft import LoraConfig
from trl import SFTConfig, SFTTrainer

dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset = dataset.rename_columns({"question": "prompt", "answer": "completion"})
dataset = dataset.map(lambda row: {"prompt": row["prompt"] + "\n", "completion": row["completion"]})

trainer = SFTTrainer(
    model="model",
    args=SFTConfig(
        output_dir="out",
        packing=True,
        max_length=512,
        learning_rate=2e-4,
        num_train_epochs=2,
        gradient_accumulation_steps=2,
        bf16=False,
        use_cpu=True,
    ),
    train_dataset=dataset,
    peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
)
trainer.train()
