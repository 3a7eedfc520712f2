"""What a sweep varies, as it was typed: lists and ranges of values by key."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

from sanetune.config.keys import advice, every_key, key_for
from sanetune.config.nested import YamlValue
from sanetune.config.schema import AdapterSection
from sanetune.config.yaml_read import parse_value
from sanetune.errors import ConfigError
from sanetune.text import did_you_mean

LR = "train.learning_rate"
ADAPTER = "model.adapter"
AUTO = "auto"
"""In place of learning rates: those around the critical learning rate."""

SAME_DATA = ("data", "run", "check", "budget")
"""Sections that cannot be swept: trials are compared on the same rows, and the others change nothing of the model."""
SAME_ROWS = frozenset(
    ("model.name", "model.revision", "model.chat_template", "train.max_length", "train.packing", "train.eval_packing")
)
"""Keys that decide which rows and tokens are compared."""

Changes = dict[str, YamlValue]
"""``section.key`` -> value: what a trial changes."""

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}\.\.{_NUMBER}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key that a sweep varies.

    Attributes:
        key: ``section.key``.
        values: The values that are tried; empty for a range.
        low: Lowest value of a range.
        high: Highest value of a range. Both None for a list, and where the range is found (``auto``).
        whole: Whether a range holds whole numbers only.
    """

    key: str
    values: tuple[YamlValue, ...] = ()
    low: float | None = None
    high: float | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Space:
    """All that a sweep varies.

    Attributes:
        parameters: In the order in which they were typed.
        fixed: ``section.key=value`` of keys with one value, which all trials share; an adapter before its settings.
    """

    parameters: tuple[Parameter, ...]
    fixed: tuple[str, ...] = field(default=())

    @property
    def searched(self) -> bool:
        """Whether some parameter is a range, so that values are drawn."""
        return any(not one.values for one in self.parameters)

    @property
    def keys(self) -> list[str]:
        """The keys that are given, those of one value behind the others."""
        return [*(one.key for one in self.parameters), *(one.partition("=")[0] for one in self.fixed)]

    def grid(self) -> list[Changes]:
        """Return each combination of the listed values once, the first parameter changing slowest."""
        found: list[Changes] = []
        for values in itertools.product(*(one.values for one in self.parameters)):
            changes = tidy({one.key: value for one, value in zip(self.parameters, values, strict=True)})
            if changes not in found:
                found.append(changes)
        return found


def read_space(words: Sequence[str]) -> Space:
    """Read what was typed after the configuration.

    >>> space = read_space(["learning_rate=1e-5,5e-5", "lora_r=8", "train.seed=1"])
    >>> space.parameters[0].key, space.parameters[0].values, space.fixed
    ('train.learning_rate', (1e-05, 5e-05), ('model.adapter.r=8', 'train.seed=1'))

    Args:
        words: ``NAME=V1,V2``, ``NAME=LOW..HIGH``, ``learning_rate=auto``; with one value an override.

    Raises:
        ConfigError: A word has not that form, names no key, or a key that cannot be swept.
    """
    parameters: list[Parameter] = []
    fixed: list[str] = []
    for word in words:
        name, equals, raw = word.partition("=")
        if not equals or not raw.strip():
            raise ConfigError(
                f"{word!r} has not the form NAME=VALUE,VALUE",
                "A sweep varies the values of keys.",
                "For example: learning_rate=1e-5,5e-5,1e-4",
            )
        parameter = _parameter(resolve_name(name.strip()), raw.strip())
        if any(one.key == parameter.key for one in parameters):
            raise ConfigError(f"{parameter.key} is given twice", "", "Give all its values in one word.")
        if parameter.key == ADAPTER:
            _check_adapters(parameter.values)
        if len(parameter.values) == 1:
            fixed.append(_override(parameter.key, parameter.values[0], raw.strip()))
        else:
            _check_sweepable(parameter.key)
            parameters.append(parameter)
    space = Space(tuple(parameters), tuple(sorted(fixed, key=lambda one: one.partition("=")[0] != ADAPTER)))
    _check_adapter(space)
    return space


def _check_adapters(values: Sequence[YamlValue]) -> None:
    names = [*get_args(AdapterSection.model_fields["type"].annotation)]
    for value in values:
        if isinstance(value, str) and value not in names:
            raise ConfigError(
                f"adapter={value} is no adapter",
                "A trial trains all weights, or an adapter beside them.",
                f"{did_you_mean(value, ['none', *names])}Give none or {' or '.join(names)}, or both: adapter=none,lora",
            )


def _override(key: str, value: YamlValue, raw: str) -> str:
    """The override that ``raw`` is for all trials; what no sweep varies keeps a ``none`` of its own meaning."""
    none = value is None and key.partition(".")[0] not in SAME_DATA
    return f"{_place(key, value)}={'null' if none else raw}"


def _check_adapter(space: Space) -> None:
    settings = [key for key in space.keys if _is_setting(key)]
    if f"{ADAPTER}=null" in space.fixed and settings:
        raise ConfigError(
            f"adapter=none is given beside {', '.join(settings)}",
            "Without an adapter all weights are trained, and nothing has its settings.",
            "Leave one of them out, or compare both: adapter=none,lora",
        )


def resolve_name(name: str) -> str:
    """Return the key that a short name, or another tool's name, stands for.

    >>> resolve_name("learning_rate"), resolve_name("lora_r"), resolve_name("seed")
    ('train.learning_rate', 'model.adapter.r', 'train.seed')

    Raises:
        ConfigError: There is no such key; the nearest is named.
    """
    if name in every_key() or re.match(r"model\.adapter\.\w+$", name):
        return name
    if f"train.{name}" in every_key():
        return f"train.{name}"
    if found := key_for(name):
        return found
    raise ConfigError(
        f"there is no key {name!r}",
        "A sweep varies keys of the configuration.",
        advice(name) or "Give a key as in the YAML file: train.learning_rate=1e-5,5e-5",
    )


def short_name(key: str) -> str:
    """Return what ``key`` is called in labels, a name that a sweep understands.

    >>> short_name("train.learning_rate"), short_name("model.adapter.r"), short_name("model.adapter.dora")
    ('learning_rate', 'lora_r', 'model.adapter.dora')
    """
    last = key.rpartition(".")[2]
    if not key.startswith(f"{ADAPTER}."):
        return last
    return f"lora_{last}" if key_for(f"lora_{last}") == key else key


def _parameter(key: str, raw: str) -> Parameter:
    if raw == AUTO and key == LR:
        return Parameter(key)
    if found := _RANGE.fullmatch(raw):
        return _range(key, found[1], found[2])
    parts = split_values(raw)
    if "" in parts:
        raise ConfigError(
            f"{key}={raw} has a comma with no value beside it",
            "It would stand for a trial of its own.",
            "Leave the comma out, or write none where a trial is to have no value.",
        )
    values = tuple(_value(key, one) for one in parts)
    if len(set(map(repr, values))) != len(values):
        raise ConfigError(f"{key} has a value twice: {raw}", "", "Give each value once.")
    return Parameter(key, values)


def _range(key: str, lowest: str, highest: str) -> Parameter:
    low, high = float(lowest), float(highest)
    if not 0 < low < high < math.inf:
        raise ConfigError(
            f"{key}={lowest}..{highest} is no range",
            "A range is searched by its logarithm.",
            "Give two positive numbers, the lower first, as in learning_rate=1e-6..1e-3",
        )
    return Parameter(key, (), low, high, whole=lowest.isdecimal() and highest.isdecimal())


def _value(key: str, text: str) -> YamlValue:
    return None if text.lower() in ("none", "null") else parse_value(text, key)


def split_values(raw: str) -> list[str]:
    """Split at commas that are in no bracket or quotes.

    >>> split_values("none,[a,b],'c,d'")
    ['none', '[a,b]', "'c,d'"]
    """
    parts, depth, quoted = [""], 0, ""
    for sign in raw:
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "\"'":
            quoted = sign
        elif sign in "[]{}":
            depth += 1 if sign in "[{" else -1
        elif sign == "," and depth <= 0:
            parts.append("")
            continue
        parts[-1] += sign
    return [part.strip() for part in parts]


def _check_sweepable(key: str) -> None:
    section = key.partition(".")[0]
    if section in SAME_DATA or key in SAME_ROWS:
        raise ConfigError(
            f"{key} cannot be swept",
            "The trials of a sweep are compared on the same rows and tokens.",
            f"Make a run for each value of {key}, and compare them: sanetune compare RUN RUN",
        )


def tidy(changes: Changes) -> Changes:
    """Return ``changes`` without settings of an adapter that there is not.

    >>> tidy({"model.adapter": None, "model.adapter.r": 8, "train.learning_rate": 1e-5})
    {'model.adapter': None, 'train.learning_rate': 1e-05}
    """
    return {key: value for key, value in changes.items() if applies(key, changes)}


def applies(key: str, changes: Changes) -> bool:
    """Return whether a trial that makes ``changes`` can have ``key``: without an adapter there are no settings of one.

    >>> applies("model.adapter.r", {"model.adapter": None}), applies("model.adapter.r", {"train.seed": 1})
    (False, True)
    """
    return not _is_setting(key) or changes.get(ADAPTER, "") is not None


def adapter_settings(space: Space) -> list[str]:
    """Return the keys of an adapter's settings that ``space`` gives, where it does not say whether there is one.

    >>> adapter_settings(read_space(["lora_r=8,32"])), adapter_settings(read_space(["adapter=none,lora", "lora_r=8"]))
    (['model.adapter.r'], [])
    """
    keys = space.keys
    return [] if {ADAPTER, f"{ADAPTER}.type"} & {*keys} else [key for key in keys if _is_setting(key)]


def written(changes: Changes) -> Changes:
    """Return ``changes`` by the keys that a configuration takes them from, an adapter before its settings.

    An adapter that is given by its name changes its type alone: in place of the whole section it would put back rank,
    targets and all else that the configuration says of its adapter.

    >>> written({"model.adapter.r": 8, "model.adapter": "lora"}), written({"model.adapter": None})
    ({'model.adapter.type': 'lora', 'model.adapter.r': 8}, {'model.adapter': None})
    """
    return {_place(key, changes[key]): changes[key] for key in sorted(changes, key=lambda one: one != ADAPTER)}


def _place(key: str, value: YamlValue) -> str:
    return f"{ADAPTER}.type" if key == ADAPTER and isinstance(value, str) else key


def _is_setting(key: str) -> bool:
    return key.startswith(f"{ADAPTER}.")


def as_overrides(changes: Changes) -> Iterator[str]:
    """Yield ``section.key=value`` for each change, as :func:`written` has them."""
    import orjson

    for key, value in written(changes).items():
        yield f"{key}={orjson.dumps(value).decode()}"
