"""QLoRA's qlora.py: rows of text, tokenized by a collator that masks the source."""

import copy
from dataclasses import dataclass

import torch
from datasets import load_dataset
from peft import LoraConfig, get_peft_model
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizer, Seq2SeqTrainer
from transformers import Seq2SeqTrainingArguments as Arguments


@dataclass
class DataCollatorForCausalLM:
    tokenizer: PreTrainedTokenizer
    source_max_len: int = 256
    target_max_len: int = 256
    train_on_source: bool = False

    def __call__(self, instances):
        sources = [one["input"] for one in instances]
        targets = [f"{one['output']}{self.tokenizer.eos_token}" for one in instances]
        sources = self.tokenizer(sources, max_length=self.source_max_len, truncation=True, add_special_tokens=False)
        targets = self.tokenizer(targets, max_length=self.target_max_len, truncation=True, add_special_tokens=False)
        input_ids, labels = [], []
        for source, target in zip(sources["input_ids"], targets["input_ids"]):  # noqa: B905
            input_ids.append(torch.tensor(source + target))
            if self.train_on_source:
                labels.append(torch.tensor(copy.deepcopy(source + target)))
            else:
                labels.append(torch.tensor([-100 for _ in source] + copy.deepcopy(target)))
        input_ids = pad_sequence(input_ids, batch_first=True, padding_value=self.tokenizer.pad_token_id)
        labels = pad_sequence(labels, batch_first=True, padding_value=-100)
        return {"input_ids": input_ids, "attention_mask": input_ids.ne(self.tokenizer.pad_token_id), "labels": labels}


def extract(row):
    return {
        "input": f"### Instruction:\n{row['question']}\n\n### Response: ",
        "output": row["answer"],
    }


tokenizer = AutoTokenizer.from_pretrained("model", padding_side="right")
model = AutoModelForCausalLM.from_pretrained("model")
model = get_peft_model(
    model, LoraConfig(r=64, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj"], task_type="CAUSAL_LM")
)
dataset = load_dataset("json", data_files="questions.jsonl", split="train")
trainer = Seq2SeqTrainer(
    model=model,
    processing_class=tokenizer,
    args=Arguments(
        "out",
        per_device_train_batch_size=1,
        gradient_accumulation_steps=16,
        max_steps=20,
        learning_rate=2e-4,
        lr_scheduler_type="constant",
        remove_unused_columns=False,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        use_cpu=True,
    ),
    train_dataset=dataset.map(extract, remove_columns=["question", "answer"]).map(
        lambda row: {"length": len(row["input"]) + len(row["output"])}
    ),
    data_collator=DataCollatorForCausalLM(tokenizer),
)
trainer.train()
