"""Trainers as people build them: TRL's ``SFTTrainer`` and transformers' ``Trainer`` on the rows of a set-up.

Each is right as it stands; what a recipe gives (other rows, another collator, another sampler) is what breaks it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.faults.setups import Setup, to_messages

MARKED_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""ChatML with TRL's markers, for tokenizers whose template TRL does not know to the byte."""

Batch = dict[str, Any]


@dataclass
class Kit:
    """How to build a trainer. ``kind``: ``plain`` (transformers' Trainer on sanetune's rows), ``rows`` (SFTTrainer on
    the same), ``messages`` (SFTTrainer with assistant_only_loss), ``prompt`` (prompt and completion), ``text``.

    ``spoil_rows`` changes each row of ids and labels, ``spoil_batch`` each batch, ``order`` the indices of an epoch;
    ``template`` replaces the chat template, ``tokenizer`` changes it; ``arguments`` are added to the trainer's.
    """

    kind: str
    arguments: dict[str, Any]
    loss_on: str | None = None
    spoil_rows: Callable[[Batch], Batch] | None = None
    spoil_batch: Callable[[Batch], Batch] | None = None
    order: Callable[[int], list[int]] | None = None
    template: str | None = None
    tokenizer: Callable[[Any], None] | None = None
    collator: Callable[[Any], Any] | None = None
    keep_eos: bool = False
    """Leaves the base model's end token, whatever the template writes."""
    missing: int = 0
    """Tokens, the last ones, for which the embedding has no rows."""

    @classmethod
    def of(cls, kind: str, **values: Any) -> Kit:
        """A kit by keywords; those that it does not know are arguments of the trainer."""
        own = {key: values.pop(key) for key in list(values) if key in cls.__dataclass_fields__}
        return cls(kind, {**values, **own.pop("arguments", {})}, **own)


def build(setup: Setup, kit: Kit) -> Any:
    """The trainer of ``kit`` on the rows of ``setup``."""
    from sanetune.config.schema import ModelSection
    from sanetune.data.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(ModelSection(**setup.model))
    if "<|im_end|>" in str(tokenizer.chat_template) and not kit.keep_eos:
        tokenizer.eos_token = "<|im_end|>"  # a chat's end is the turn's; a base model's eos is the document's
    if kit.kind == "messages" and _is_chatml(tokenizer.chat_template):
        tokenizer.chat_template = MARKED_CHATML
    if kit.template is not None:
        tokenizer.chat_template = kit.template
    if kit.tokenizer is not None:
        kit.tokenizer(tokenizer)
    model = _model(setup, kit, tokenizer)
    train, validation = _rows(setup, kit, tokenizer)
    trainer = _trainer(setup, kit, model, tokenizer, train, validation)
    if kit.spoil_batch is not None:
        trainer.data_collator = Spoilt(trainer.data_collator, kit.spoil_batch)
    if kit.order is not None:
        order = kit.order(len(trainer.train_dataset))
        trainer._get_train_sampler = lambda dataset=None: order
    return trainer


@dataclass
class Spoilt:
    """A collator with a fault behind it."""

    collate: Callable[[Any], Batch]
    spoil: Callable[[Batch], Batch]

    def __call__(self, rows: Any) -> Batch:
        return self.spoil(self.collate(rows))


def _is_chatml(source: str) -> bool:
    """Whether this is the plain form of it."""
    return "<|im_start|>" in source and "tool" not in source and "{% generation" not in source


def _model(setup: Setup, kit: Kit, tokenizer: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(setup.model["name"], dtype=torch.float32)
    if kit.missing:
        model.resize_token_embeddings(max(tokenizer.get_vocab().values()) + 1 - kit.missing)
    elif len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer))
    if not kit.keep_eos:
        model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def _rows(setup: Setup, kit: Kit, tokenizer: Any) -> tuple[Any, Any]:
    """Training and validation rows, in the form that the kind of trainer takes."""
    import datasets

    if kit.kind in ("plain", "rows"):
        import sanetune

        prepared = sanetune.prepare(setup.config)
        assert prepared.validation is not None
        pair = [rows.select_columns(["input_ids", "labels"]) for rows in (prepared.train, prepared.validation)]
        if kit.spoil_rows is not None:
            pair = [rows.map(kit.spoil_rows) for rows in pair]
        return pair[0], pair[1]
    rows = [_of_kind(to_messages(row, setup.row_format), kit.kind, tokenizer) for row in setup.rows()]
    validation, kept = setup.halves(rows)
    return datasets.Dataset.from_list(kept), datasets.Dataset.from_list(validation)


def _of_kind(row: Batch, kind: str, tokenizer: Any) -> Batch:
    messages = row["messages"]
    if kind == "prompt":
        return {"prompt": messages[:-1], "completion": messages[-1:]}
    if kind == "text":
        return {"text": tokenizer.apply_chat_template(messages, tokenize=False)}
    return {"messages": messages}


def _trainer(setup: Setup, kit: Kit, model: Any, tokenizer: Any, train: Any, validation: Any) -> Any:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments
    from trl import SFTConfig, SFTTrainer

    arguments = {**_arguments(setup, model), **kit.arguments}
    if kit.kind == "plain":
        collator = kit.collator(tokenizer) if kit.collator else DataCollatorForSeq2Seq(tokenizer)
        rows = {"train_dataset": train, "eval_dataset": validation, "data_collator": collator}
        return Trainer(model=model, args=TrainingArguments(**arguments), processing_class=tokenizer, **rows)
    if kit.kind == "messages":
        arguments.setdefault("assistant_only_loss", True)
    arguments.setdefault("eos_token", tokenizer.eos_token)
    arguments.setdefault("max_length", model.config.max_position_embeddings)
    return SFTTrainer(
        model=model,
        args=SFTConfig(**arguments),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        data_collator=kit.collator(tokenizer) if kit.collator else None,
    )


def _arguments(setup: Setup, model: Any) -> dict[str, Any]:
    """A sound run of two epochs."""
    from sanetune.planning.learning_rates import learning_rate

    hidden = model.config.hidden_size
    return {
        "output_dir": str(setup.folder / "trainer"),
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "disable_tqdm": True,
        "per_device_train_batch_size": setup.train["per_device_train_batch_size"],
        "num_train_epochs": setup.train["num_train_epochs"],
        "train_sampling_strategy": "group_by_length",
        "learning_rate": learning_rate("full", sum(p.numel() for p in model.parameters()), hidden)[0],
        "logging_steps": 10,
        "eval_strategy": "steps",
        "eval_steps": 20,
        "save_strategy": "no",
    }
