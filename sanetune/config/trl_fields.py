"""The keys of TRL's ``SFTConfig``: their names, types and defaults, read from the installed class itself.

The class is never constructed here: on a machine without a bf16 GPU its constructor refuses bf16, which says nothing
about the configuration. Importing it takes seconds, so its definition is read from the text of the installed files
(:mod:`sanetune.config.unimported`), and the class is imported only where they do not tell.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from sanetune.config.unimported import UNREADABLE, ReadField, dataclass_fields, enumeration, file_of

CHOICES: dict[str, tuple[str, ...]] = {
    "packing_strategy": ("bfd", "bfd_split", "wrapped"),
    "loss_type": ("nll", "dft"),
    "truncation_mode": ("keep_start", "keep_end"),
    "train_sampling_strategy": ("random", "sequential", "group_by_length", "batch_rebalance"),
}
"""Texts that SFTConfig takes as they are and that fail only later, in training."""

SWITCHES = ("fsdp",)
"""Keys that are annotated as text and mean true or false; text is what they were before."""
AT_LEAST: dict[str, float] = {
    **dict.fromkeys(("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"), 1),
    **dict.fromkeys(("learning_rate", "weight_decay", "warmup_steps", "max_grad_norm", "neftune_noise_alpha"), 0),
    **dict.fromkeys(("eval_delay", "eval_steps", "save_steps", "logging_steps", "seed", "data_seed"), 0),
    **dict.fromkeys(("save_total_limit", "max_length"), 1),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "adam_epsilon", "dataloader_num_workers"), 0),
}
"""Smallest value that means anything."""

MOST_STEPS = 1e9
"""Steps, and passes over the data, that a run may have: logs are read up to as many (see :mod:`sanetune.curves.logs`).
"""


@cache
def fields() -> dict[str, object]:
    """Name -> type annotation of every key of the installed ``SFTConfig``."""
    if read := _read():
        return {name: one.annotation for name, one in read.items()}
    return imported_fields()


def imported_fields() -> dict[str, object]:
    """As :func:`fields`, of the class itself."""
    from trl import SFTConfig

    hints = typing.get_type_hints(SFTConfig)
    return {field.name: hints[field.name] for field in dataclasses.fields(SFTConfig)}


@cache
def _read() -> dict[str, ReadField]:
    """The fields as the installed files spell them; empty where they do not tell."""
    try:
        arguments = file_of("transformers", "training_args.py")
        files = {
            "SFTConfig": file_of("trl", "trainer", "sft_config.py"),
            "_BaseConfig": file_of("trl", "trainer", "base_config.py"),
            "TrainingArguments": arguments,
        }
        helpers: dict[str, object] = {"ParallelismConfig": dataclasses.make_dataclass("ParallelismConfig", [])}
        helpers |= {"OptimizerNames": enumeration(arguments, "OptimizerNames")}
        helpers |= {"DebugOption": enumeration(file_of("transformers", "debug_utils.py"), "DebugOption")}
        for name in ("IntervalStrategy", "SaveStrategy", "HubStrategy", "SchedulerType"):
            helpers[name] = enumeration(file_of("transformers", "trainer_utils.py"), name)
        return dataclass_fields(files, "SFTConfig", helpers)
    except LookupError:
        return {}


@cache
def imported_defaults() -> dict[str, Any]:
    """The default of every key, of the class itself, which is imported."""
    from trl import SFTConfig

    return {
        field.name: field.default_factory() if callable(field.default_factory) else field.default
        for field in dataclasses.fields(SFTConfig)
    }


def default_of(key: str) -> Any:
    """SFTConfig's own default for ``key``, as plain text or number where it is an enumeration's member."""
    read = _read().get(key)
    value = imported_defaults()[key] if read is None or read.default is UNREADABLE else read.default
    return value.value if isinstance(value, enum.Enum) else value


def problem(key: str, value: object) -> str | None:
    """What ``key`` would have to be, when ``value`` is not that; None when the value can be used."""
    if (value is None and _takes_none(key)) or (key in SWITCHES and isinstance(value, bool)):
        return None
    members = _members(fields()[key])
    if members and not (isinstance(value, str) and value in members):
        return "one of " + ", ".join(members)
    if key in CHOICES and value not in CHOICES[key]:
        return "one of " + ", ".join(CHOICES[key])
    if not members:
        try:
            _adapter(key).validate_python(value)
        except ValidationError:
            return words_for(fields()[key])
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    return _range_problem(key, value)


def _range_problem(key: str, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if key == "num_train_epochs" and value <= 0:
        return "a number above 0"
    if key == "max_steps" and value < 1 and value != -1:
        return "a whole number from 1, or -1 for whole epochs"
    if key in ("eval_steps", "save_steps", "logging_steps") and (
        value == 0 or (value > 1 and not float(value).is_integer())
    ):
        return "a whole number of steps, or a share of all steps between 0 and 1"
    if key == "warmup_steps" and value > 1 and not float(value).is_integer():
        return "a whole number of steps, or a share of all steps below 1"
    if key in ("max_steps", "num_train_epochs") and value >= MOST_STEPS:
        return f"a number below {MOST_STEPS:,.0f}"
    if key in AT_LEAST and value < AT_LEAST[key]:
        return f"a number from {AT_LEAST[key]:g}"
    return None


def _takes_none(key: str) -> bool:
    # A field such as `max_length: null` means something; `learning_rate: null` only leaves the value unset.
    return type(None) in _parts(fields()[key])


def is_unset(key: str, value: object) -> bool:
    """Whether ``value`` leaves ``key`` unset: null where SFTConfig takes none."""
    return value is None and not _takes_none(key)


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    if any(dataclasses.is_dataclass(part) for part in _parts(fields()[key])):
        return TypeAdapter(dict[str, Any])
    annotation: Any = fields()[key]
    return TypeAdapter(annotation, config=ConfigDict(strict=True, arbitrary_types_allowed=True))


def _parts(annotation: object) -> tuple[object, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _members(annotation: object) -> tuple[str, ...]:
    """The texts of the enumeration in ``annotation``, when there is one outside a list."""
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, enum.Enum):
            return tuple(str(member.value) for member in part)
    return ()


_WORDS: dict[object, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    list: "a list",
    dict: "a mapping",
    typing.Literal: "one of a few values",
}
"""A type -> what people call its values."""


def words_for(annotation: object) -> str:
    """A type annotation in words.

    >>> words_for(float | str | None), words_for(list[str])
    ('a number or text', 'a list of text')
    """
    words = []
    for part in _parts(annotation):
        origin = typing.get_origin(part) or part
        if origin is list and typing.get_args(part):
            inner = words_for(typing.get_args(part)[0])
            words.append(f"a list of {inner.removeprefix('a ')}")
        elif dataclasses.is_dataclass(origin):
            words.append("a mapping")
        else:
            words.append(_WORDS.get(origin) or str(getattr(origin, "__name__", origin)))
    if "text" in words and "null" in words and len(words) > 2:
        words.remove("null")
    return " or ".join(dict.fromkeys(words))
