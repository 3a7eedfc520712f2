"""Read a tree of messages, each below the one that it answers, as its best path from the root to an answer."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from sanetune.data.messages import ALIASES
from sanetune.data.unread import Unread

ROOTS = ("prompt", "root", "tree")
TEXTS = ("text", "content", "value")
ROLES = ("role", "from", "author")
REPLIES = ("replies", "children")
RANKS = ("rank",)
_NAMES = frozenset((*ROOTS, *REPLIES))


def is_tree(values: Mapping[str, object]) -> bool:
    """Return whether a row is a tree, or has one in a column of its own."""
    return _root(values) is not None


def _root(values: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The column of the root ("" for the row itself), and the root."""
    if _NAMES.isdisjoint(values):
        return None
    for name, node in (("", values), *((key, values.get(key)) for key in ROOTS)):
        if isinstance(node, dict) and _is_node(node) and isinstance(_first(node, REPLIES), list):
            return name, node
    return None


def _role(node: Mapping[str, Any]) -> str:
    """Who wrote a message, under our name where it is known."""
    name = str(_first(node, ROLES))
    return ALIASES.get(name, name)


def _is_node(node: Mapping[str, Any]) -> bool:
    return isinstance(_first(node, TEXTS), str) and isinstance(_first(node, ROLES), str)


def _first(node: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((node[name] for name in names if node.get(name) is not None), None)


def read_columns(values: Mapping[str, object]) -> dict[str, bool]:
    """Return the columns of a row that :func:`best_path` reads, or notes what it does not read of."""
    root = _root(values)
    assert root is not None
    return {root[0]: True} if root[0] else {name: True for name in (*TEXTS, *ROLES, *REPLIES) if name in values}


def best_path(values: Mapping[str, object], unread: Unread) -> list[dict[str, str]]:
    """Return the messages on the best path of a tree.

    At every message the reply of the lowest rank is taken, of equal ones the first; deleted messages are not. The path
    ends on an answer of the assistant where it has one.

    Args:
        values: A row for which :func:`is_tree` holds.
        unread: Gets the other replies, and what nothing reads of the messages.
    """
    found = _root(values)
    assert found is not None
    node: Mapping[str, Any] | None = found[1]
    path: list[Mapping[str, Any]] = []
    while node is not None:
        path.append(node)
        replies = _replies(node)
        node = min(replies, key=_rank, default=None)
        for other in replies:
            if other is not node:
                unread.add("replies", other)
    while len(path) > 1 and _role(path[-1]) != "assistant":
        unread.add("replies", _first(path.pop(), TEXTS))
    unread.note("the best path of the tree alone is used")
    known = {*TEXTS, *ROLES, *REPLIES, "deleted"}
    for one in path:
        if found[0] or one is not found[1]:
            unread.add_rest("replies", one, known & one.keys())
    return [{"role": str(_first(one, ROLES)), "content": str(_first(one, TEXTS))} for one in path]


def _replies(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The replies that can be on a path."""
    replies = _first(node, REPLIES)
    if not isinstance(replies, list):
        return []
    return [one for one in replies if isinstance(one, dict) and _is_node(one) and not one.get("deleted")]


def _rank(node: Mapping[str, Any]) -> float:
    """The rank, 0 for the best; of messages without one those that are answered come first."""
    rank = _first(node, RANKS)
    if isinstance(rank, int | float) and not isinstance(rank, bool):
        return float(rank)
    answered = any(_role(one) == "assistant" for one in _replies(node))
    return inf if not answered and _role(node) == "user" else 1e9
