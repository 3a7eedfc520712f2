"""A training script as many people have one: TRL's SFTTrainer on rows of messages, and then on sanetune's rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.demo import MODEL, TRAIN, VALIDATION

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase
    from trl import SFTTrainer

    from sanetune.data.collator import Collator
    from sanetune.data.prepare import Prepared

SCRIPT = """\
trainer = SFTTrainer(MODEL, args=..., train_dataset=rows_of_messages)
sanetune.check(trainer).raise_if_failed()"""
FIXED = """\
prepared = sanetune.prepare("sanetune.yaml")
trainer = SFTTrainer(
    MODEL,
    args=SFTConfig(..., dataset_kwargs={"skip_prepare_dataset": True}),
    train_dataset=prepared.train,
    data_collator=Collator(pad_token_id),
)"""
COLUMNS = ["input_ids", "labels"]


def on_messages(folder: Path) -> SFTTrainer:
    """Return a trainer as TRL makes it by default: every token is in the loss."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(MODEL))
    return _trainer(folder, tokenizer, _rows(TRAIN), _rows(VALIDATION), eos_token="<|im_end|>", max_length=512)


def on_prepared(folder: Path, prepared: Prepared) -> SFTTrainer:
    """Return the same trainer on ids and labels that sanetune has made."""
    from sanetune.data.collator import Collator

    assert prepared.validation is not None
    return _trainer(
        folder,
        prepared.tokenizer,
        prepared.train.select_columns(COLUMNS),
        prepared.validation.select_columns(COLUMNS),
        data_collator=Collator(prepared.tokenizer.pad_token_id),
        stops=prepared.stop_token_ids,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
    )


def _trainer(
    folder: Path,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    validation: Dataset,
    data_collator: Collator | None = None,
    stops: list[int] | None = None,
    **settings: Any,
) -> SFTTrainer:
    from trl import SFTConfig, SFTTrainer

    from sanetune.demo.answers import load
    from sanetune.demo.faults import sound_settings
    from sanetune.engine.library_logs import quiet

    model = load(MODEL)
    if stops:
        model.generation_config.eos_token_id = stops
    with quiet():
        arguments = SFTConfig(
            output_dir=str(folder),
            use_cpu=True,
            bf16=False,
            report_to="none",
            disable_tqdm=True,
            **sound_settings()["train"],
            **settings,
        )
        return SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=train,
            eval_dataset=validation,
            processing_class=tokenizer,
            data_collator=data_collator,
        )


def _rows(file: Path) -> Dataset:
    from datasets import Dataset

    lines = file.read_text(encoding="utf-8").splitlines()
    return Dataset.from_list([{"messages": json.loads(line)["messages"]} for line in lines])


def first_row(trainer: SFTTrainer) -> dict[str, list[int]]:
    """Return token ids and labels of the first row as the trainer's own collator gives them."""
    batch = trainer.data_collator([trainer.train_dataset[0]])
    return {name: batch[name][0].tolist() for name in COLUMNS}
