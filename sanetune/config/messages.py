"""Words for messages about a configuration: values as text, keys that were probably meant, wrong values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sanetune.config import other_names
from sanetune.errors import ConfigError, Place
from sanetune.text import did_you_mean, nearest, offer, shorten

EXAMPLES = {
    "model": "  model:\n    name: path/to/model",
    "data": "  data:\n    train: path/to/data.jsonl",
    "train": "  train:\n    num_train_epochs: 3",
    "check": "  check:\n    level: trial",
    "budget": "  budget:\n    max_hours: 8",
    "run": "  run:\n    name: first",
}
PERCENT = re.compile(r"\s*(\d{1,3}(?:\.\d{1,9})?)\s*%\s*")
"""A share as no YAML has it."""


def short(value: object, limit: int = 60) -> str:
    """Return a value as YAML has it, in at most ``limit`` characters."""
    text = {True: "true", False: "false", None: "null"}.get(value) if isinstance(value, (bool, type(None))) else None
    text = text or repr(value)
    return shorten(text, limit)


def meant(word: str, names: Sequence[str]) -> str:
    """Return "Did you mean ...?", or "" when nothing is near; of dotted names the last part counts like the whole."""
    by_last = {name.split(".")[-1]: name for name in reversed(names)}
    return offer([by_last[one] for one in nearest(word.split(".")[-1], by_last, most=2, cutoff=0.7)]).rstrip()


def wrong_value(path: str, value: object, expected: str, place: Place | None) -> ConfigError:
    """Return the error for a value of the wrong type, or out of its range."""
    return ConfigError(
        f"{path} is {short(value)}, but has to be {expected}",
        "The value cannot be used as it stands.",
        _fix(path, value, expected),
        place,
    )


def _fix(path: str, value: object, expected: str) -> str:
    """A way out for the usual slips; otherwise the expected value again."""
    key = path.split(".")[-1]
    if found := other_names.VALUE_ADVICE.get((path, str(value).lower())):
        return found
    if found := other_names.VALUES.get((path, str(value).lower())):
        return f"Write {path}: {found}"
    if isinstance(value, str):
        if (share := PERCENT.fullmatch(value)) and ("number" in expected or "share" in expected):
            if "share" in expected or "whole" not in expected:
                return f"Write {key}: {float(share[1]) / 100:g}"
        elif "number" in expected:
            try:
                float(value)
            except ValueError:
                pass
            else:
                return f"Write it without quotes: {key}: {value}"
        if "true or false" in expected and value.lower() in ("yes", "on", "y", "no", "off", "n", "true", "false"):
            return f"Write {key}: {'true' if value.lower() in ('yes', 'on', 'y', 'true') else 'false'}"
        choices = expected.removeprefix("one of ").split(", ") if expected.startswith("one of ") else []
        if hint := did_you_mean(value, choices, most=1, cutoff=0.5):
            return hint.rstrip()
    if isinstance(value, float) and value.is_integer() and "whole number" in expected:
        return f"Write {key}: {int(value)}"
    if expected == "a list" and isinstance(value, str | int | float):
        return f"Write {key}: [{value}], as an override {path}=[{value}]."
    if isinstance(value, bool) and "no" in expected.removeprefix("one of ").split(", "):
        return f'Write {key}: "no" for {short(value)}' if not value else f"Choose {expected}."
    return f"Give {key} {expected}." if not expected.startswith("one of ") else f"Choose {expected}."
