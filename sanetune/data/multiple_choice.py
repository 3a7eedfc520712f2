"""Write the answers that a multiple-choice question offers as lines below it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_uppercase

from sanetune.data.column_names import OPTIONS
from sanetune.data.unread import holds_something

_LABELLED = re.compile(r"\s*\(?[A-Za-z0-9][.):]\s*\S")
_STARTS = ("option_", "option", "op", "opt_", "choice_", "choice", "")
"""What is before the letter in the name of a column with one option."""

NAMES = frozenset((*OPTIONS, *(start + sign for start in _STARTS for sign in "aA")))
"""Columns of which a row with options has at least one."""


def columns_with_options(values: Mapping[str, object]) -> tuple[list[str], object]:
    """Return the columns of a row that hold options, and the options; no columns where it offers none.

    >>> columns_with_options({"question": "?", "option_a": "Lima", "option_b": "Oslo"})
    (['option_a', 'option_b'], {'A': 'Lima', 'B': 'Oslo'})
    """
    if NAMES.isdisjoint(values):
        return [], None
    for key in OPTIONS:
        if holds_something(values.get(key)):
            return [key], values[key]
    for start in _STARTS:
        named = [(sign.upper(), key) for sign in "abcdefgh" for key in (start + sign.upper(), start + sign)]
        found = {letter: key for letter, key in named if isinstance(values.get(key), str)}
        if {"A", "B"} <= found.keys():
            return list(found.values()), {letter: values[key] for letter, key in found.items()}
    return [], None


def option_lines(options: object) -> str:
    """Return one line for each option; "" where they are in no usual form.

    >>> print(option_lines(["Lima", "Oslo"]))
    A. Lima
    B. Oslo
    >>> option_lines({"label": ["1", "2"], "text": ["Lima", "Oslo"]}).splitlines()
    ['1. Lima', '2. Oslo']

    Args:
        options: A list of texts or of objects with label and text, an object of label -> text, or the lines.
    """
    if isinstance(options, str):
        return options
    pairs = _pairs(options)
    if not pairs or not all(isinstance(text, str) and text.strip() for _, text in pairs):
        return ""
    if all(_LABELLED.match(str(text)) for _, text in pairs):
        return "\n".join(str(text) for _, text in pairs)
    return "\n".join(f"{label}. {text}" for label, text in pairs)


def _pairs(options: object) -> list[tuple[str, object]]:
    """Label and text of each option."""
    if isinstance(options, dict):
        labels, texts = options.get("label"), options.get("text")
        if isinstance(labels, list) and isinstance(texts, list) and len(labels) == len(texts):
            return [(str(label), text) for label, text in zip(labels, texts, strict=True)]
        return [(str(label), text) for label, text in options.items()]
    if not isinstance(options, list) or len(options) > len(ascii_uppercase):
        return []
    return [_labelled(option, letter) for option, letter in zip(options, ascii_uppercase, strict=False)]


def _labelled(option: object, letter: str) -> tuple[str, object]:
    if not isinstance(option, dict):
        return letter, option
    label = next((option[key] for key in ("label", "key", "id") if option.get(key) is not None), letter)
    return str(label), next((option[key] for key in ("text", "value", "content") if key in option), None)
