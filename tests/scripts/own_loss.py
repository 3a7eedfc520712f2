"""A Trainer whose loss weighs the answer's tokens by hand."""

from datasets import load_dataset
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"Question: {row['question']}\nAnswer:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "prompt_length": len(prompt)}


class WeightedTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        lengths = inputs.pop("prompt_length")
        outputs = model(**inputs)
        logits, targets = outputs.logits[:, :-1], inputs["input_ids"][:, 1:]
        losses = cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        places = lengths.new_tensor(range(1, targets.shape[1] + 1))
        weights = (places >= lengths[:, None]) * inputs["attention_mask"][:, 1:]
        loss = (losses * weights).sum() / weights.sum()
        return (loss, outputs) if return_outputs else loss


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset = dataset.map(encode, remove_columns=dataset.column_names)
trainer = WeightedTrainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=4, remove_unused_columns=False, use_cpu=True),
    train_dataset=dataset,
    data_collator=DataCollatorWithPadding(tokenizer),
    processing_class=tokenizer,
)
trainer.train()
