"""Plain values in nested mappings, reached by dotted paths such as ``model.adapter.r``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

YamlValue: TypeAlias = "bool | int | float | str | list[YamlValue] | dict[str, YamlValue] | None"
"""What YAML and JSON can hold."""

YamlMap: TypeAlias = dict[str, YamlValue]


def key_of(path: str) -> str:
    """The ``section.key`` that a path is part of.

    >>> key_of("model.adapter.r")
    'model.adapter'
    """
    return ".".join(path.split(".")[:2])


def with_parents(path: str) -> Iterator[str]:
    """``path``, then everything around it, the nearest first.

    >>> list(with_parents("model.adapter.r"))
    ['model.adapter.r', 'model.adapter', 'model']
    """
    parts = path.split(".")
    return (".".join(parts[:count]) for count in range(len(parts), 0, -1))


def leaves(value: YamlValue, path: str) -> list[str]:
    """The path of ``section.key`` and of every value in the mappings below it, where ``value`` is at ``path``.

    >>> leaves({"adapter": {"r": 8}}, "model")
    ['model.adapter', 'model.adapter.r']
    """
    if isinstance(value, dict):
        below = [leaf for key, inner in value.items() for leaf in leaves(inner, f"{path}.{key}")]
        return ([path] if "." in path else []) + below
    return [path]


def contains(values: Mapping[str, YamlValue], path: str) -> bool:
    """Whether there is a value at ``path``, null included."""
    above, _, last = path.rpartition(".")
    inner = find(values, above) if above else values
    return isinstance(inner, Mapping) and last in inner


def find(values: Mapping[str, YamlValue], path: str) -> YamlValue:
    """The value at ``path``, or None."""
    found: YamlValue = dict(values)
    for key in path.split("."):
        if not isinstance(found, dict) or key not in found:
            return None
        found = found[key]
    return found


def put(values: YamlMap, path: str, value: YamlValue) -> None:
    """Set the value at ``path``, making the mappings on the way; an adapter given by name becomes a mapping."""
    *above, last = path.split(".")
    for key in above:
        inner = values.get(key)
        if isinstance(inner, str) and key == "adapter":
            inner = {"type": inner}
        inner = inner if isinstance(inner, dict) else {}
        values[key] = inner
        values = inner
    values[last] = value


def drop(values: YamlMap, path: str) -> None:
    """Remove the value at ``path``, and every mapping below a section that this leaves empty."""
    above, _, last = path.rpartition(".")
    inner = find(values, above) if above else values
    if isinstance(inner, dict):
        inner.pop(last, None)
        if not inner and "." in above:
            drop(values, above)
