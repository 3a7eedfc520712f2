"""Hold the names that ``data.fields`` gives to keys of messages and to roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from sanetune.data.conversation import ROLES

PREFIX = "role."
"""``role.user`` names the value of a role."""

PARTS = ("role", "content", "train", "train_detail")
"""Keys of a message that ``data.fields`` may name, beside the roles."""

NAMED_ROLES = (*ROLES, "call")


@dataclass(frozen=True, slots=True)
class Naming:
    """Names in one file.

    Attributes:
        role: The key of a message that holds its role; None: one of the usual ones.
        content: The key that holds its text.
        train: The key that says with true or false whether the message is learned.
        train_detail: The key that lists the parts of it that are learned.
        roles: Name of a role in the file -> ours.
    """

    role: str | None = None
    content: str | None = None
    train: str | None = None
    train_detail: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, fields: Mapping[str, str] | None) -> Naming:
        """Return the names in ``data.fields``.

        >>> Naming.of({"messages": "talk", "content": "text", "role.assistant": "Rosa, Tim"}).roles
        {'Rosa': 'assistant', 'Tim': 'assistant'}
        """
        keys = [name for name in fields or () if is_part(name)]
        return _named(tuple((name, (fields or {})[name]) for name in keys)) if keys else USUAL


USUAL = Naming()
"""No names of the file's own."""


def is_part(name: str) -> bool:
    """Return whether a key of ``data.fields`` names a key of messages, or a role."""
    return name in PARTS or (name.startswith(PREFIX) and name.removeprefix(PREFIX) in NAMED_ROLES)


@lru_cache(64)
def _named(fields: tuple[tuple[str, str], ...]) -> Naming:
    parts = {name: value for name, value in fields if name in PARTS}
    roles = {
        other.strip(): name.removeprefix(PREFIX)
        for name, value in fields
        if name.startswith(PREFIX)
        for other in value.split(",")
    }
    return Naming(**parts, roles=roles)
