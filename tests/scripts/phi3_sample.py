"""Phi-3's sample_finetune.py: rendered chats as text, the unknown token pads, packed, LoRA."""

from datasets import load_dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

model = AutoModelForCausalLM.from_pretrained("model")
tokenizer = AutoTokenizer.from_pretrained("model")
tokenizer.padding_side = "right"


def apply_chat_template(example, tokenizer):
    example["text"] = tokenizer.apply_chat_template(example["messages"], tokenize=False, add_generation_prompt=False)
    return example


dataset = load_dataset("json", data_files="chats.jsonl", split="train")
train = dataset.map(apply_chat_template, fn_kwargs={"tokenizer": tokenizer}, remove_columns=["messages"])
trainer = SFTTrainer(
    model=model,
    args=SFTConfig(
        output_dir="out",
        learning_rate=5e-6,
        packing=True,
        max_length=512,
        dataset_text_field="text",
        gradient_checkpointing=True,
        bf16=False,
        use_cpu=True,
    ),
    peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    train_dataset=train,
    processing_class=tokenizer,
)
trainer.train()
