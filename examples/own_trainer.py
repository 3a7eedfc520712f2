"""Our data, your trainer: a bare TRL ``SFTTrainer`` on rows that sanetune has prepared.

    python examples/own_trainer.py MODEL DATA [CHAT_TEMPLATE [LEVEL]]

The labels are made by sanetune (only the assistant's turns are in the loss, for any chat template),
so TRL makes none of its own. Before the first step, `sanetune.check` reads the very batches that the
trainer would train on; with a LEVEL of `probe` or `trial` a copy of it also makes steps, which are
undone.
"""

from __future__ import annotations

import sys
from typing import Literal

from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

import sanetune

Level = Literal["static", "probe", "trial"]


def main(
    model_name: str, data: str, chat_template: str | None = None, level: Level = "static", steps: int = 20
) -> SFTTrainer:
    prepared = sanetune.prepare(
        {"model": {"name": model_name, "chat_template": chat_template}, "data": {"train": data}}
    )
    model = AutoModelForCausalLM.from_pretrained(model_name)
    model.resize_token_embeddings(max(len(prepared.tokenizer), model.get_input_embeddings().num_embeddings))
    # What ends a turn in training has to end it at inference, too.
    model.generation_config.eos_token_id = prepared.stop_token_ids
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir="runs/own-trainer",
            max_steps=steps,
            learning_rate=5e-4,
            logging_steps=5,
            eval_strategy="steps",
            eval_steps=10,
            dataset_kwargs={"skip_prepare_dataset": True},
            remove_unused_columns=False,
            bf16=False,
            use_cpu=True,
            report_to="none",
        ),
        train_dataset=prepared.train.select_columns(["input_ids", "labels"]),
        eval_dataset=prepared.validation.select_columns(["input_ids", "labels"]) if prepared.validation else None,
        data_collator=prepared.collator,
        processing_class=prepared.tokenizer,
    )
    report = sanetune.check(trainer, level=level)
    print(report)
    report.raise_if_failed()
    trainer.train()
    return trainer


if __name__ == "__main__":
    main(*sys.argv[1:5])
