"""Writes a first configuration for a model and data: what ``sanetune init`` does."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap

from sanetune import units
from sanetune.atomic import write_text
from sanetune.config import load, paths, yaml_edit, yaml_read
from sanetune.config.machine import this_machine
from sanetune.config.nested import YamlValue
from sanetune.config.schema import Config, SourceSection
from sanetune.config.sizes import DataSizes, RunSizes
from sanetune.errors import ConfigError, DataError
from sanetune.planning.gather import model_sizes
from sanetune.planning.plan import Plan, plan_with

if TYPE_CHECKING:
    from sanetune.planning.learning_rates import Method

BYTES_PER_TRAINED = 16
"""Weight, gradient and two Adam moments, each in fp32."""
BYTES_PER_FROZEN = {"lora": 2.0, "qlora": 0.6}
"""A bf16 weight; an NF4 weight with its scales."""
ROOM = 0.6
"""Share of the memory that weights and optimizer may take; the rest is for activations."""
SAMPLE = 2000
"""Rows that are tokenized to estimate the lengths of all."""

DOCUMENTED: tuple[str, ...] = (
    "learning_rate", "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "warmup_steps",
    "lr_scheduler_type", "weight_decay", "eval_strategy", "eval_steps", "save_steps", "save_total_limit",
    "load_best_model_at_end", "logging_steps", "seed",
)  # fmt: skip
"""Keys of ``train`` that are written out; the rest is inferred again in every run, for the machine it runs on."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is written, and why."""

    config: Config
    sizes: RunSizes
    """What unset values are inferred from."""
    reasons: dict[str, str]
    """Key of ``model`` or ``data`` -> the reason for its value."""
    estimated: bool
    """The sizes of the data are estimated from its first rows."""


def write_config(
    model: str,
    data: Sequence[str],
    out: Path,
    *,
    overrides: Sequence[str] = (),
    method: Method | None = None,
    force: bool = False,
) -> Config:
    """Choose a configuration for a model and data, and write it with a comment on each value.

    Args:
        model: Folder of the model, or its id on the Hub.
        data: Files, folders or ids of data sets.
        out: The file to write. Nothing is written where an error is raised.
        overrides: ``section.key=value``, each; they are written into the file.
        method: How to train; None: what fits into the memory of this machine.
        force: Whether a file that is there already is replaced.

    Returns:
        The configuration, read from the file.

    Raises:
        ConfigError: ``out`` is there already, and ``force`` is not set.
        ModelError: The model cannot be used.
        DataError: The data cannot be used.
    """
    if out.exists() and not force:
        raise ConfigError(
            f"{str(out)!r} is there already",
            "It may hold your changes.",
            "Write another file with --out FILE, or replace it with --force.",
        )
    choice = choose(model, data, method, overrides)
    base = out.parent.resolve()
    text = _with_overrides(_text(choice, plan_with(choice.config, choice.sizes), base), choice.config, base)
    write_text(out, text, remedy="Give --out another file.")
    return load(out)


def choose(model: str, data: Sequence[str], method: Method | None, overrides: Sequence[str] = ()) -> Choice:
    """Choose what to train and how; ``method`` None: by memory, unless ``overrides`` give the adapter."""
    values: dict[str, Any] = {"model": {"name": model}, "data": {"train": list(data)}}
    config = load(values, overrides)
    sizes = RunSizes(model_sizes(config.model.model_copy(update={"adapter": None})), this_machine(config.run.devices))
    reasons = {"name": f"{units.count(sizes.model.parameters)} parameters, context of {sizes.model.context:,} tokens"}
    if not method and {"model.adapter", "model.quantization"} & yaml_edit.overridden(config).keys():
        method = "full"
    method, reasons["adapter"] = (method, "as asked for") if method else _method(sizes)
    if method != "full":
        values["model"]["adapter"] = "lora"
    if method == "qlora":
        values["model"]["quantization"] = "4bit"
        reasons["quantization"] = "the frozen weights take about a quarter of the memory"
    if not _has_template(config):
        values["model"]["chat_template"] = "chatml"
        reasons["chat_template"] = "the tokenizer brings no chat template; ChatML is the usual choice for a base model"
    config = load(values, overrides)
    if config.model.adapter:
        sizes = replace(sizes, model=model_sizes(config.model))
    rows, reasons["train"], estimated = _rows(config, sizes.model.context)
    held_out = f"{units.many(rows.validation_examples, 'row')} held out for validation"
    reasons["holdout"] = f"about {held_out}" if estimated else held_out
    reasons["validation"] = f"{units.many(rows.validation_examples, 'row')} in the folder's validation files"
    reasons["loss_on"] = "every assistant turn is in the loss (or: last, all)"
    reasons["overlong"] = "rows longer than max_length are left out and listed (or: cut, error)"
    asked = [key.partition(".") for key in yaml_edit.overridden(config)]
    reasons |= {key: "as asked for" for section, _, key in asked if section in ("model", "data")}
    return Choice(config, replace(sizes, data=rows), reasons, estimated)


def _method(sizes: RunSizes) -> tuple[Method, str]:
    """How to train, by the memory that it takes, and the reason."""
    memory, parameters = sizes.machine.memory, sizes.model.parameters
    room, full = memory * ROOM, parameters * BYTES_PER_TRAINED
    need = f"{units.bytes_(full)} to train all weights (16 bytes each), of {units.bytes_(memory)} of memory"
    if not memory or full <= room:
        return "full", need
    if sizes.machine.device != "cuda" or parameters * BYTES_PER_FROZEN["lora"] <= room:
        return "lora", f"it would take {need}"
    return "qlora", f"it would take {need}, and even 16-bit weights leave no room"


def _has_template(config: Config) -> bool:
    from sanetune.data.tokenizer import chat_template, load_tokenizer

    return chat_template(load_tokenizer(config.model)) is not None


def _rows(config: Config, context: int) -> tuple[DataSizes, str, bool]:
    """Count all rows, and tokenize some of them.

    Args:
        config: The configuration.
        context: Tokens that the model can attend to; 0: not known.

    Returns:
        The sizes, in words what was found, and whether they are estimated.
    """
    from sanetune.data.prepare import prepare
    from sanetune.data.sources.read import count
    from sanetune.data.sources.source import Source

    total = sum(count(Source(**section.model_dump())) or 0 for section in config.data.train)
    if not total:
        raise DataError("the data has no rows", "There is nothing to train on.", "Check the files given as DATA.")
    estimated = total > SAMPLE
    sample = load(config, [f"data.max_examples={SAMPLE}"]) if estimated else config
    prepared = prepare(sample, context=context or None)
    sizes = DataSizes.of(prepared)
    formats = ", ".join(str(name) for name in prepared.stats.get("formats", {}))
    found = f"{units.many(total, 'row')} ({formats}), {sizes.mean_tokens:,.0f} tokens on average"
    if not estimated:
        return sizes, found, False
    scale = total / SAMPLE
    return (
        replace(
            sizes,
            train_examples=round(sizes.train_examples * scale),
            validation_examples=round(sizes.validation_examples * scale),
            loss_tokens=round(sizes.loss_tokens * scale),
        ),
        f"{found} in the first {SAMPLE:,}",
        True,
    )


def _text(choice: Choice, plan: Plan, base: Path) -> str:
    """The file, which will be in the folder ``base``."""
    tree = CommentedMap({"model": _model(choice, base), "data": _data(choice, base), "train": _train(plan.config)})
    run = tree["run"] = CommentedMap({"name": choice.config.run.name, "trackers": choice.config.run.trackers})
    yaml_edit.note(run, "name", "the run's folder is runs/NAME, beside this file")
    yaml_edit.note(run, "trackers", "also: wandb, trackio; metrics.jsonl is always written")
    return _heading(choice, plan) + "\n" + yaml_edit.write(tree)


def _with_overrides(text: str, config: Config, base: Path) -> str:
    """``text`` with those values of overrides that are not in it yet."""
    _, _, tree = yaml_read.parse(text)
    values = {
        key: _relative(value, base) if isinstance(value, str) else value
        for key, value in yaml_edit.overridden(config).items()
        if key.split(".")[1] not in tree.get(key.split(".")[0], {})
    }
    return yaml_edit.change(text, values) if values else text


def _heading(choice: Choice, plan: Plan) -> str:
    steps, sizes = plan.steps, plan.sizes.model
    about = "about " if choice.estimated else ""
    trained = "all" if sizes.trainable == sizes.parameters else f"{units.count(sizes.trainable)} of"
    those = "parameters, the adapter's included" if choice.config.model.adapter else "parameters"
    return textwrap.dedent(f"""\
    # Written by sanetune init. Change what you like; whatever you delete is inferred again.
    # Effective batch size: {steps.equation}
    # Steps: {about}{steps.steps_per_epoch:,} per epoch, {steps.total_steps:,} in all, {steps.warmup_steps:,} of warm-up
    # Trains {trained} {units.count(sizes.parameters)} {those}
    """)


def _model(choice: Choice, base: Path) -> CommentedMap:
    section = choice.config.model
    values = CommentedMap({"name": _relative(section.name, base)})
    for key in ("adapter", "quantization", "chat_template"):
        if getattr(section, key) is not None:
            values[key] = yaml_edit.plain(getattr(section, key))
    return _noted(values, choice.reasons)


def _data(choice: Choice, base: Path) -> CommentedMap:
    section = choice.config.data
    values = CommentedMap({"train": _sources(section.train, base)})
    if section.validation:
        values["validation"] = _sources(section.validation, base)
    else:
        values["holdout"] = section.holdout
    values |= {"loss_on": section.loss_on, "overlong": section.overlong}
    return _noted(values, choice.reasons)


def _sources(sections: Sequence[SourceSection], base: Path) -> YamlValue:
    """Sources as they are written: a path, or what else is asked of it too; a list where there are several."""
    written: list[YamlValue] = []
    for source in sections:
        path = _relative(source.path, base)
        more = {key: value for key, value in source.model_dump(exclude_defaults=True).items() if key != "path"}
        written.append({"path": path, **more} if more else path)
    return written[0] if len(written) == 1 else written


def _train(resolved: Config) -> CommentedMap:
    given = resolved.train.given
    values = CommentedMap({key: yaml_edit.plain(given[key]) for key in DOCUMENTED if key in given})
    return _noted(values, {key: resolved.origins[f"train.{key}"].reason for key in values})


def _noted(values: CommentedMap, reasons: Mapping[str, str]) -> CommentedMap:
    """``values`` with the reasons for them as comments."""
    for key in values:
        yaml_edit.note(values, key, reasons.get(key, ""))
    return values


def _relative(text: str, base: Path) -> str:
    """A local path as it is best written in a file in ``base``; Hub ids stay."""
    if not os.path.isabs(text):
        return text
    relative = os.path.relpath(text, base)
    if relative.count("..") > 3:
        return text
    return relative if paths.is_surely_path(relative) or os.sep in relative or os.path.exists(base / relative) else text
