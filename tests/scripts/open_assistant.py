"""OpenAssistant's trainer: own tokens for both sides, a mask beside the targets, a loss that reads the mask."""

import json

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset, random_split
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained("model")
tokenizer.chat_template = None
tokenizer.add_special_tokens({"additional_special_tokens": ["<|prompter|>", "<|assistant|>"]})
model = AutoModelForCausalLM.from_pretrained("model")
model.resize_token_embeddings(len(tokenizer))


class Threads(Dataset):
    def __init__(self, path):
        with open(path) as lines:
            self.threads = [json.loads(line)["messages"] for line in lines]

    def __len__(self):
        return len(self.threads)

    def __getitem__(self, number):
        return [(turn["role"], turn["content"]) for turn in self.threads[number] if turn["role"] != "system"]


class DialogueDataCollator:
    def __call__(self, threads):
        rows, masks = [], []
        for thread in threads:
            ids, mask = [], []
            for role, text in thread:
                header = "<|prompter|>" if role == "user" else "<|assistant|>"
                turn = tokenizer(header + text + tokenizer.eos_token)["input_ids"]
                ids += turn
                mask += [False, *[role == "assistant"] * (len(turn) - 1)]
            rows.append(ids)
            masks.append(mask)
        batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        width = batch["input_ids"].shape[1]
        batch["label_masks"] = torch.tensor([mask + [False] * (width - len(mask)) for mask in masks])
        batch["targets"] = torch.roll(batch["input_ids"], -1, -1)
        return batch


class SFTTrainer(Trainer):
    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        labels_mask, targets = inputs.pop("label_masks"), inputs.pop("targets")
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        counted = labels_mask.roll(-1, -1)
        counted[:, -1] = False
        loss = cross_entropy(outputs.logits[counted], targets[counted])
        return (loss, outputs) if return_outputs else loss


train, held_out = random_split(Threads("chats.jsonl"), [90, 10])
trainer = SFTTrainer(
    model=model,
    args=TrainingArguments("out", per_device_train_batch_size=4, remove_unused_columns=False, use_cpu=True),
    train_dataset=train,
    eval_dataset=held_out,
    data_collator=DialogueDataCollator(),
    processing_class=tokenizer,
)
trainer.train()
