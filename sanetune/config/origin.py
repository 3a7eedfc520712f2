"""Where a value of the configuration came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sanetune.config.nested import YamlValue
from sanetune.errors import Place


class OriginKind(StrEnum):
    """How a value got into the configuration."""

    GIVEN = "given"
    """In the user's file, or in Python."""
    OVERRIDE = "override"
    """On the command line, as ``section.key=value``."""
    RENAMED = "renamed"
    """In the file or on the command line, by an old name of its key."""
    DEFAULT = "default"
    """Unset, with a default that is the same for every run."""
    INFERRED = "inferred"
    """Unset, with a default that follows from model, machine and data."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one value came from.

    >>> str(Origin(OriginKind.GIVEN, Place("mine.yaml", 6)))
    'from mine.yaml:6'
    >>> str(Origin(OriginKind.INFERRED, reason="no GPU was found"))
    'inferred: no GPU was found'
    >>> str(Origin(OriginKind.RENAMED, Place("mine.yaml", 7), old_key="train.max_seq_length"))
    'given as train.max_seq_length (mine.yaml:7)'
    """

    kind: OriginKind
    place: Place | None = None
    """File and line of the value or of its old key; None where it is in no file."""
    reason: str = ""
    """Why it has this value (inferred), what the key means (default), or a note on the new key (renamed)."""
    old_key: str = ""
    """The ``section.key`` by which a renamed one was given."""
    on_command_line: bool = False
    """An override, by today's key or by an old one."""

    @property
    def by_user(self) -> bool:
        """Whether somebody chose the value, rather than leaving it unset."""
        return self.kind in (OriginKind.GIVEN, OriginKind.OVERRIDE, OriginKind.RENAMED)

    @property
    def explanation(self) -> str:
        """The origin in words, without its place; "" for a value from a file."""
        if self.kind is OriginKind.GIVEN:
            return "" if self.place else "given in Python"
        if self.kind is OriginKind.OVERRIDE:
            return "given on the command line"
        if self.kind is OriginKind.RENAMED:
            where = "on the command line as" if self.on_command_line else "as"
            return f"given {where} {self.old_key}" + (f"; {self.reason}" if self.reason else "")
        return self.reason

    def __str__(self) -> str:
        """The origin as the resolved configuration has it in its comments."""
        if self.kind is OriginKind.GIVEN:
            return f"from {self.place}" if self.place else self.explanation
        if self.kind is OriginKind.DEFAULT:
            return "default"
        if self.kind is OriginKind.INFERRED:
            return f"inferred: {self.reason}"
        return self.explanation + (f" ({self.place})" if self.place else "")


@dataclass(frozen=True, slots=True)
class Renamed:
    """A key that was given by an old name."""

    old: str
    """The ``section.key`` that was given."""
    new: str
    """Its name of today; "" for a key that no longer does anything and was left out."""
    value: YamlValue
    """What was given."""
    place: Place | None = None
    """File and line of the old key."""
