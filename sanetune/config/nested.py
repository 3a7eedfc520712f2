"""Values in nested mappings, by dotted path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def leaves(value: Any, path: str) -> list[str]:
    """Paths of ``section.key`` and of what lies under mappings below it."""
    if isinstance(value, dict):
        below = [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}")]
        return ([path] if "." in path else []) + below
    return [path]


def find(values: Any, path: str) -> Any:
    """The value at ``path``, or None."""
    for key in path.split("."):
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values


def put(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at ``path``, making the mappings on the way; an adapter given by name becomes a mapping."""
    for key in path[:-1]:
        inner = values.get(key)
        if isinstance(inner, str) and key == "adapter":
            inner = {"type": inner}
        values[key] = inner if isinstance(inner, dict) else {}
        values = values[key]
    values[path[-1]] = value


def drop(values: dict[str, Any], path: str) -> None:
    """Take out the value at ``path``, and mappings below a section that it leaves empty."""
    *above, last = path.split(".")
    inner = find(values, ".".join(above))
    if isinstance(inner, dict):
        inner.pop(last, None)
        if not inner and len(above) > 1:
            drop(values, ".".join(above))
