"""A loader of its own, whose sampler draws some rows more often than others."""

from datasets import load_dataset
from torch.utils.data import DataLoader, WeightedRandomSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"User: {row['question']}\nBot:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    return {"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer}


class BalancedTrainer(Trainer):
    def get_train_dataloader(self):
        weights = [1 + 2 * (len(row["input_ids"]) > 80) for row in self.train_dataset]
        sampler = WeightedRandomSampler(weights, len(weights))
        loader = DataLoader(self.train_dataset, batch_size=4, sampler=sampler, collate_fn=self.data_collator)
        return self.accelerator.prepare(loader)


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
trainer = BalancedTrainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=4, use_cpu=True),
    train_dataset=dataset.map(encode, remove_columns=dataset.column_names),
    data_collator=DataCollatorForSeq2Seq(tokenizer),
)
trainer.train()
