"""A first configuration for a model and data: what `sanetune init` writes."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from sanetune import units
from sanetune.atomic import write_text
from sanetune.config import facts, load, paths, yaml_edit
from sanetune.config.facts import Facts
from sanetune.config.schema import Config
from sanetune.errors import ConfigError, DataError
from sanetune.planning import learning_rates
from sanetune.planning import plan as planning

BYTES_PER_TRAINED = 16
"""Weight, gradient and two Adam moments, each in fp32."""
BYTES_PER_FROZEN = {"lora": 2.0, "qlora": 0.6}
"""A bf16 weight; an NF4 weight with its scales."""
ROOM = 0.6
"""Share of the memory that weights and optimizer may take; the rest is for activations."""
SAMPLE = 2000
"""Rows that are tokenized to learn their lengths."""
ESTIMATED = f"in the first {SAMPLE:,}"

DOCUMENTED: tuple[str, ...] = (
    "learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "warmup_steps",
    "lr_scheduler_type", "weight_decay", "eval_strategy", "eval_steps", "save_steps", "save_total_limit",
    "load_best_model_at_end", "logging_steps", "seed",
)  # fmt: skip
"""Keys of ``train`` that are written out; the rest is derived again in every run, for the machine it runs on."""


def write_config(
    model: str, data: Sequence[str], out: Path, *, method: str | None = None, force: bool = False
) -> Config:
    """Look at model and data, choose, and write a commented configuration to ``out``; returns it as read back.

    ``method``: full, lora or qlora; None chooses by memory. Raises ConfigError when ``out`` is there and ``force``
    is not set, ModelError and DataError where model or data cannot be used. Nothing is written then.
    """
    if out.exists() and not force:
        raise ConfigError(
            f"{str(out)!r} is there already",
            "It may hold your changes.",
            "Write another file with --out FILE, or replace it with --force.",
        )
    config, found, why = _choose(model, data, method)
    made = planning.plan_with(config, found)
    text = _text(made, why, out)
    write_text(out, text, remedy="Give --out another file.")
    return load(out)


def _choose(model: str, data: Sequence[str], method: str | None) -> tuple[Config, Facts, dict[str, str]]:
    """The configuration, the facts about it, and the reasons for what is chosen outside ``train``."""
    values: dict[str, Any] = {"model": {"name": model}, "data": {"train": list(data)}}
    config = load(values)
    found = planning.sketch(config.model, facts.of_machine())
    why = {"name": f"{units.count(found.parameters)} parameters, context of {found.context:,} tokens"}
    method, why["adapter"] = (method, "as asked for") if method else _method(found)
    if method != "full":
        values["model"]["adapter"] = "lora"
    if method == "qlora":
        values["model"]["quantization"] = "4bit"
        why["quantization"] = "the frozen weights take about a quarter of the memory"
    if not _has_template(config):
        values["model"]["chat_template"] = "chatml"
        why["chat_template"] = "the tokenizer brings no chat template; ChatML is the usual choice for a base model"
    config = load(values)
    found = planning.sketch(config.model, found) if method != "full" else found
    found, why["train"] = _rows(config, found)
    about = "about " if ESTIMATED in why["train"] else ""
    why["holdout"] = f"{about}{units.many(found.validation_examples, 'row')} held out and measured on"
    return config, found, why


def _method(found: Facts) -> tuple[learning_rates.Method, str]:
    room, full = found.memory * ROOM, found.parameters * BYTES_PER_TRAINED
    need = f"{units.bytes_(full)} to train all weights (16 bytes each), of {units.bytes_(found.memory)} of memory"
    if not found.memory or full <= room:
        return "full", need
    if found.device != "cuda" or found.parameters * BYTES_PER_FROZEN["lora"] <= room:
        return "lora", f"it would take {need}"
    return "qlora", f"it would take {need}, and even 16-bit weights leave no room"


def _has_template(config: Config) -> bool:
    from sanetune.data.tokenizer import chat_template, load_tokenizer

    return chat_template(load_tokenizer(config.model)) is not None


def _rows(config: Config, found: Facts) -> tuple[Facts, str]:
    """Counts all rows, and tokenizes some of them to learn their lengths."""
    from dataclasses import replace

    from sanetune.data.prepare import prepare
    from sanetune.data.sources import read

    total = 0
    for section in config.data.train:
        count = read.count(read.Source(**section.model_dump()))
        total += count or 0
    if not total:
        raise DataError("the data has no rows", "There is nothing to learn from.", "Check the files given as DATA.")
    sample = load(config, [f"data.max_examples={SAMPLE}"]) if total > SAMPLE else config
    prepared = prepare(sample, context=found.context or None)
    seen = facts.with_data(found, prepared)
    scale = total / max(1, min(total, SAMPLE))
    seen = replace(
        seen,
        train_examples=round(seen.train_examples * scale),
        validation_examples=round(seen.validation_examples * scale),
        loss_tokens=round(seen.loss_tokens * scale),
    )
    forms = ", ".join(str(form) for form in prepared.stats.get("forms", {}))
    reason = f"{total:,} row{'s' * (total != 1)} ({forms}), {seen.mean_tokens:,.0f} tokens on average"
    return seen, reason + (f" {ESTIMATED}" if total > SAMPLE else "")


def _text(made: planning.Plan, why: dict[str, str], out: Path) -> str:
    """The file: sections in the order of the design, each value with its reason."""
    config, steps = made.config, made.steps
    base = out.parent.resolve()
    tree = CommentedMap()
    model = tree["model"] = CommentedMap({"name": _relative(config.model.name, base)})
    if config.model.adapter is not None:
        model["adapter"] = yaml_edit.plain(config.model.adapter)
    for key in ("quantization", "chat_template"):
        if getattr(config.model, key) is not None:
            model[key] = getattr(config.model, key)
    places = [_relative(source.path, base) for source in config.data.train]
    data = tree["data"] = CommentedMap({"train": places[0] if len(places) == 1 else places})
    data |= {"holdout": config.data.holdout, "loss_on": config.data.loss_on, "overlong": config.data.overlong}
    train = tree["train"] = CommentedMap()
    for key in DOCUMENTED:
        if key in config.train.given:
            train[key] = yaml_edit.plain(config.train.given[key])
            yaml_edit.note(train, key, config.origins[f"train.{key}"].reason)
    run = tree["run"] = CommentedMap({"name": config.run.name, "trackers": config.run.trackers})
    why |= {"loss_on": "every assistant turn is learnt (or: last, all)"}
    why |= {"overlong": "rows longer than max_length are left out and listed (or: cut, error)"}
    for key in model:
        yaml_edit.note(model, key, why.get(key, ""))
    for key in data:
        yaml_edit.note(data, key, why.get(key, ""))
    yaml_edit.note(run, "name", "the run's folder is runs/NAME, beside this file")
    yaml_edit.note(run, "trackers", "also: wandb, trackio; metrics.jsonl is always written")
    about = "about " if ESTIMATED in why.get("train", "") else ""
    whole = made.facts.trainable == made.facts.parameters
    trained = ("all" if whole else f"{units.count(made.facts.trainable)} of") + f" {units.count(made.facts.parameters)}"
    head = f"""\
    # Written by sanetune init. Change what you like; whatever you delete is derived again.
    # Effective batch size: {steps.equation}
    # Steps: {about}{steps.steps_per_epoch:,} per epoch, {steps.total_steps:,} in all, {steps.warmup_steps:,} of warm-up
    # Trains {trained} parameters
    """
    return textwrap.dedent(head) + "\n" + yaml_edit.write(tree)


def _relative(text: str, base: Path) -> str:
    """A local path as it is best written in a file in ``base``; Hub ids stay."""
    if not os.path.isabs(text):
        return text
    relative = os.path.relpath(text, base)
    if relative.count("..") > 3:
        return text
    return (
        relative if paths.looks_like_path(relative) or os.sep in relative or os.path.exists(base / relative) else text
    )
