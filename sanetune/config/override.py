"""Overrides: single values of a configuration, given on the command line as ``section.key=value``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sanetune.config.draft import Draft
from sanetune.config.keys import SECTIONS, advice, every_key, key_for, unknown_key
from sanetune.config.nested import YamlMap, contains, find, put
from sanetune.config.origin import Origin, OriginKind
from sanetune.config.yaml_read import parse_value
from sanetune.errors import ConfigError, Place


def read_override(text: str, following: str = "") -> Draft:
    """Read one override; its value is typed as in YAML.

    Args:
        text: What was typed.
        following: The word after it, in case that a key and its value were typed as two words.

    >>> read_override("train.learning_rate=2e-5").values
    {'train': {'learning_rate': 2e-05}}

    Raises:
        ConfigError: It has not the form ``section.key=value``, names no section, or its value is no YAML.
    """
    key, equals, raw = text.partition("=")
    path = key.strip()
    parts = path.split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise ConfigError(
            f"the override {text!r} has not the form section.key=value",
            "Overrides change one value of the configuration.",
            _written(path, raw if equals else following),
        )
    if parts[0] not in SECTIONS:
        raise unknown_key(path, Place(f"override {path}"))
    values: YamlMap = {}
    put(values, path, parse_value(raw, path))
    return Draft(values, {path: Origin(OriginKind.OVERRIDE, on_command_line=True)})


def _written(path: str, value: str) -> str:
    """How the override is written, where its key can be told."""
    key = path.lstrip("-")
    if key in every_key():
        return f"Write it as one word: {key}={value or 'VALUE'}"
    found = key_for(key) if key else ""
    if found:
        return f"Write: {found}={value or 'VALUE'}"
    return advice(key) if key and advice(key) else "For example: train.learning_rate=1e-4"


def apply_override(draft: Draft, override: Draft) -> Draft:
    """``draft`` with the values of ``override`` in place of its own."""
    new = draft.copy()
    new.renamed.extend(override.renamed)
    for path, origin in override.origins.items():
        if contains(override.values, path):
            put(new.values, path, find(override.values, path))
            for old in [one for one in new.origins if one == path or one.startswith(f"{path}.")]:
                del new.origins[old]
            new.origins[path] = origin
    return new


def parted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names, such as of model and data, and the overrides among ``words``; what is there as a file is none.

    >>> parted(["owner/model", "rows.jsonl", "train.learning_rate=1e-4"])
    (['owner/model', 'rows.jsonl'], ['train.learning_rate=1e-4'])
    """
    overrides = []
    for word in words:
        key, equals, _ = word.partition("=")
        section, dot, _ = key.strip().partition(".")
        if equals and dot and section in SECTIONS and not Path(word).exists():
            overrides.append(word)
    return [word for word in words if word not in overrides], overrides
