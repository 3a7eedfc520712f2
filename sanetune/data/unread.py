"""Note what of a row nothing reads: columns, keys of messages, parts of parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Unread:
    """What one row holds and its conversation does not.

    Attributes:
        values: (path, value); a path leads through columns and keys and leaves out positions in lists.
        notes: What was done to the row, in words that follow "N rows: ".
    """

    values: list[tuple[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, path: str, value: object) -> None:
        """Note ``value`` at ``path``, unless it is empty."""
        if holds_something(value):
            self.values.append((path, value))

    def add_rest(self, path: str, values: Mapping[str, object], read: Set[str]) -> None:
        """Note everything in ``values`` but the keys in ``read``."""
        if len(values) > len(read) or not values.keys() <= read:
            for key, value in values.items():
                if key not in read:
                    self.add(f"{path}.{key}" if path else str(key), value)

    def note(self, words: str) -> None:
        """Note once what was done to the row."""
        if words not in self.notes:
            self.notes.append(words)


class ReadPaths:
    """Paths into a row that were read, as a tree: column or position -> the same below it, or True for all of it."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {}

    def column(self, name: str) -> None:
        """Note that all of a column was read."""
        self.tree[name] = True

    def add(self, values: Mapping[str, object], path: str) -> None:
        """Note that all of ``path`` was read: a column of ``values``, or a dotted path into one."""
        parts = [path] if path in values else path.split(".")
        node = self.tree
        for part in parts[:-1]:
            below = node.setdefault(part, {})
            if below is True:
                return
            node = below
        node[parts[-1]] = True

    def rest(self, values: Mapping[str, object], unread: Unread) -> None:
        """Note in ``unread`` everything in the row ``values`` that was not read."""
        if values.keys() <= self.tree.keys() and all(below is True for below in self.tree.values()):
            return
        _add_rest("", values, self.tree, unread)


def _add_rest(path: str, node: object, tree: Mapping[str, Any], unread: Unread) -> None:
    if isinstance(node, dict):
        items = [(f"{path}.{key}" if path else str(key), str(key), value) for key, value in node.items()]
    elif isinstance(node, list):
        items = [(path, str(number), value) for number, value in enumerate(node)]
    else:
        unread.add(path, node)
        return
    for below, key, value in items:
        if key not in tree:
            unread.add(below, value)
        elif tree[key] is not True:
            _add_rest(below, value, tree[key], unread)


def holds_something(value: object) -> bool:
    """Return whether a value says anything: nothing, blank text and empty lists do not.

    >>> [holds_something(value) for value in (None, " ", [], {"a": [None, ""]}, 0, False, ["x"])]
    [False, False, False, False, True, True, True]
    """
    if isinstance(value, str):
        return bool(value) and not value.isspace()
    if isinstance(value, dict):
        return any(holds_something(one) for one in value.values())
    if isinstance(value, list | tuple):
        return any(holds_something(one) for one in value)
    return value is not None


def texts_of(value: object) -> Iterator[str]:
    """Yield every text inside a value that is not blank, at any depth.

    >>> list(texts_of({"a": ["x", 1, {"b": "y"}], "c": " "}))
    ['x', 'y']
    """
    level: list[object] = [value]
    while level:
        node = level.pop()
        if isinstance(node, str):
            if node.strip():
                yield node
        elif isinstance(node, dict):
            level.extend(reversed(node.values()))
        elif isinstance(node, list | tuple):
            level.extend(reversed(node))
