"""Short rows first: a sampler that goes through the sorted data in order."""

from datasets import load_dataset
from torch.utils.data import SequentialSampler
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
model = AutoModelForCausalLM.from_pretrained("model")


def encode(row):
    prompt = tokenizer(f"Question: {row['question']}\nAnswer:")["input_ids"]
    answer = tokenizer(f" {row['answer']}{tokenizer.eos_token}")["input_ids"]
    ids = prompt + answer
    return {"input_ids": ids, "labels": [-100] * len(prompt) + answer, "length": len(ids)}


class CurriculumTrainer(Trainer):
    def _get_train_sampler(self, train_dataset=None):
        return SequentialSampler(self.train_dataset)


dataset = load_dataset("json", data_files="questions.jsonl", split="train")
dataset = dataset.map(encode, remove_columns=dataset.column_names).sort("length").remove_columns("length")
trainer = CurriculumTrainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=4, use_cpu=True),
    train_dataset=dataset,
    data_collator=DataCollatorForSeq2Seq(tokenizer),
)
trainer.train()
