"""YAML as people read it: scripts as blocks, everything else quoted where it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import LiteralScalarString

from sanetune.config import yaml_edit


def yaml_text(heading: str, tree: Mapping[str, Any]) -> str:
    """Return ``tree`` as YAML under a comment of one line."""
    plain = _blocks(tree)
    assert isinstance(plain, CommentedMap)
    return f"# {heading}\n{yaml_edit.write(plain)}"


def _blocks(value: object) -> object:
    if isinstance(value, Mapping):
        return CommentedMap({key: _blocks(one) for key, one in value.items()})
    if isinstance(value, list):
        return [_blocks(one) for one in value]
    # A block would turn other line ends and tabs at its start into what they are not.
    if isinstance(value, str) and "\n" in value and value.replace("\n", "").isprintable():
        return LiteralScalarString(value)
    return value
