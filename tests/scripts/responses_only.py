"""Messages rendered by hand; a map masks all that is not between an assistant's header and its end."""

from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq
from trl import SFTConfig, SFTTrainer

tokenizer = AutoTokenizer.from_pretrained("model")
tokenizer.eos_token = "<|im_end|>"
model = AutoModelForCausalLM.from_pretrained("model")
model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id

HEADER = tokenizer.encode("<|im_start|>assistant\n")
END = tokenizer.convert_tokens_to_ids("<|im_end|>")


def train_on_responses_only(row):
    ids = tokenizer.apply_chat_template(row["messages"], return_dict=False)
    labels = [-100] * len(ids)
    at = 0
    while at < len(ids):
        if ids[at : at + len(HEADER)] == HEADER:
            at += len(HEADER)
            while at < len(ids):
                labels[at] = ids[at]
                at += 1
                if ids[at - 1] == END:
                    break
        else:
            at += 1
    return {"input_ids": ids, "labels": labels}


dataset = load_dataset("json", data_files="chats.jsonl", split="train")
dataset = dataset.map(train_on_responses_only, remove_columns=["messages"])
trainer = SFTTrainer(
    model=model,
    args=SFTConfig(output_dir="out", bf16=False, use_cpu=True, dataset_kwargs={"skip_prepare_dataset": True}),
    train_dataset=dataset,
    data_collator=DataCollatorForSeq2Seq(tokenizer),
    processing_class=tokenizer,
)
trainer.train()
