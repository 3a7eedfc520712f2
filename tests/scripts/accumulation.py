"""Accumulated steps with a mean of means: the loss leaves ``num_items_in_batch`` alone, as older scripts do."""

from datasets import load_dataset
from torch.nn import CrossEntropyLoss
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"Question: {row['question']}\nAnswer:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


class OlderTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        shift_logits = outputs.logits[..., :-1, :].contiguous()
        shift_labels = labels[..., 1:].contiguous()
        loss = CrossEntropyLoss()(shift_logits.view(-1, shift_logits.size(-1)), shift_labels.view(-1))
        return (loss, outputs) if return_outputs else loss


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
trainer = OlderTrainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=2, gradient_accumulation_steps=4, use_cpu=True),
    train_dataset=dataset.map(encode, remove_columns=dataset.column_names),
    data_collator=DataCollatorForSeq2Seq(tokenizer),
)
trainer.train()
