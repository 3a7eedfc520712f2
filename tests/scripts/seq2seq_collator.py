"""Alpaca-LoRA: ``DataCollatorForSeq2Seq`` pads ids and labels; the prompt is masked by its length."""

from datasets import load_dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

CUTOFF_LEN = 256

model = AutoModelForCausalLM.from_pretrained("model")
tokenizer = AutoTokenizer.from_pretrained("model")
tokenizer.pad_token_id = 1
tokenizer.padding_side = "left"


def tokenize(prompt, add_eos_token=True):
    result = tokenizer(prompt, truncation=True, max_length=CUTOFF_LEN, padding=False, return_tensors=None)
    if result["input_ids"][-1] != tokenizer.eos_token_id and len(result["input_ids"]) < CUTOFF_LEN and add_eos_token:
        result["input_ids"].append(tokenizer.eos_token_id)
        result["attention_mask"].append(1)
    result["labels"] = result["input_ids"].copy()
    return result


def generate_and_tokenize_prompt(row):
    source = f"Below is an instruction.\n\n### Instruction:\n{row['question']}\n\n### Response:\n"
    full = tokenize(source + row["answer"])
    masked = len(tokenize(source, add_eos_token=False)["input_ids"])
    full["labels"] = [-100] * masked + full["labels"][masked:]
    return full


model = get_peft_model(
    model, LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
)
data = load_dataset("json", data_files="questions.jsonl")["train"].train_test_split(test_size=20, seed=42)
train_data = data["train"].shuffle().map(generate_and_tokenize_prompt)
val_data = data["test"].shuffle().map(generate_and_tokenize_prompt)

trainer = Trainer(
    model=model,
    train_dataset=train_data,
    eval_dataset=val_data,
    args=TrainingArguments(
        output_dir="out",
        per_device_train_batch_size=4,
        gradient_accumulation_steps=4,
        warmup_steps=10,
        learning_rate=3e-4,
        logging_steps=10,
        optim="adamw_torch",
        eval_strategy="steps",
        eval_steps=10,
        use_cpu=True,
    ),
    data_collator=DataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=8, return_tensors="pt", padding=True),
)
trainer.train()
