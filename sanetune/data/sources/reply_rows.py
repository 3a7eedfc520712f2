"""Join rows that are single messages, each with the message that it answers, into one row for each tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sanetune.data.sources.row import Row
from sanetune.errors import DataError
from sanetune.text import quote

NUMBERS = ("message_id", "id")
PARENTS = ("parent_id", "parent_message_id", "parent", "reply_to", "in_reply_to")
TREES = ("message_tree_id", "tree_id", "conversation_id", "thread_id")
TEXTS = ("text", "content", "body")
ROLES = ("role", "author", "from")


def is_reply(values: Mapping[str, object]) -> bool:
    """Return whether a row is a message of a tree: text with a number of its own and of the message above it.

    >>> is_reply({"message_id": "a", "parent_id": None, "text": "Hi", "role": "prompter"}), is_reply({"text": "Hi"})
    (True, False)
    """
    if not isinstance(values, dict) or not any(key in values for key in PARENTS):
        return False
    return all(any(values.get(key) is not None for key in keys) for keys in (NUMBERS, TEXTS))


def joined(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield the trees of ``rows``, each as its root with ``replies``; rows that are no messages of a tree as they are.

    One tree is in memory at a time, so its messages have to follow each other, each below the one that it answers.

    Raises:
        DataError: A message answers one that is not before it, or nothing says who wrote it.
    """
    first = next(rows, None)
    if first is None:
        return
    if not is_reply(first.values):
        yield first
        yield from rows
        return
    root, nodes = first, {_number(first): _node(first)}
    for row in rows:
        above = _first(row.values, PARENTS)
        if above is None:
            yield Row(root.place, {"tree": nodes[_number(root)]})
            root, nodes = row, {}
        elif str(above) not in nodes:
            raise DataError(
                f"the message answers {quote(above, 40)}, which is not before it in its tree",
                "Without what it answers a message is no example.",
                "Sort the file by tree, each message below the one that it answers.",
                row.place,
            )
        else:
            nodes[str(above)]["replies"].append(_node(row))
            nodes[_number(row)] = nodes[str(above)]["replies"][-1]
            continue
        nodes[_number(row)] = _node(row)
    yield Row(root.place, {"tree": nodes[_number(root)]})


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> object:
    return next((values[name] for name in names if values.get(name) is not None), None)


def _number(row: Row) -> str:
    return str(_first(row.values, NUMBERS))


def _node(row: Row) -> dict[str, Any]:
    if _first(row.values, ROLES) is None:
        raise DataError(
            "a message of a tree without a role",
            "Which turns are in the loss depends on who wrote them.",
            "Write `role` (user or assistant) into each; to read the texts alone: data.fields: {text: text}.",
            row.place,
        )
    plain = {key: value for key, value in row.values.items() if key not in (*PARENTS, *NUMBERS, *TREES)}
    return {**plain, "text": _first(row.values, TEXTS), "replies": []}
