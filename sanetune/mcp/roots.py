"""The folders that an agent's paths are confined to."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sanetune.config.messages import short
from sanetune.errors import Place, UserError

MOST_FILES = 100_000
"""Entries of a folder that are inspected for links: a folder with more is refused."""


class Roots:
    """Folders below which every path of an agent has to be, once links are followed.

    Args:
        folders: At least one; relative paths start from the first.

    Raises:
        UserError: One of them is no folder.
    """

    def __init__(self, folders: Sequence[str | Path]) -> None:
        self.folders = tuple(Path(folder).expanduser().resolve() for folder in folders)
        for folder in self.folders:
            if not folder.is_dir():
                raise UserError(f"There is no folder {folder}.", remedy="Give --root a folder that exists.")

    def path(self, text: str | Path, name: str, place: Place | None = None, base: Path | None = None) -> Path:
        """Return the real path of ``text``, with ``~``, ``..`` and links followed.

        Args:
            text: A path as an agent or a file gives it.
            name: What it is of, for the message.
            place: Where it is written.
            base: Folder that a relative path starts from; None: the first root that has it, else the first.

        Raises:
            UserError: It is outside of every root, empty, or no path at all.
        """
        words = str(text)
        if not words.strip() or "\0" in words:
            raise UserError(f"{name} is no path: {short(words)}", remedy="Give a file or folder.", place=place)
        try:
            expanded = Path(os.path.expanduser(words))
            starts = (base,) if base is not None else self.folders
            found = next((start / expanded for start in starts if os.path.lexists(start / expanded)), None)
            real = (found or starts[0] / expanded).resolve()
        except (OSError, RuntimeError) as error:  # a circle of links, or a name that is too long
            raise UserError(f"{name} cannot be followed: {short(words)} ({error})", place=place) from None
        if not self.has(real):
            raise UserError(
                f"{name} {short(words)} is outside of the folders that this server may use",
                "An agent's paths are confined to them, whatever links or .. they go through.",
                f"Use a path below {self}; a person can add a folder with --root.",
                place,
            )
        return real

    def has(self, real: Path) -> bool:
        """Whether a path without links is below a root."""
        return any(real.is_relative_to(folder) for folder in self.folders)

    def tree(self, text: str | Path, name: str, place: Place | None = None) -> Path:
        """As :meth:`path`, of a file, or of a folder or pattern with all that it holds: no link in it leads out.

        Raises:
            UserError: Something in it is outside of every root, or there are more than :data:`MOST_FILES`.
        """
        words = str(text)
        if glob.has_magic(words) and not os.path.lexists(words):
            before = words[: min(words.find(sign) for sign in "*?[" if sign in words)]
            start = self.path(before.rpartition("/")[0] or ".", name, place)
            for number, found in enumerate(glob.iglob(words, recursive=True)):
                self._count(number, name, place)
                self.path(found, name, place)
            return start
        real = self.path(words, name, place)
        for number, entry in enumerate(_entries(real)):
            self._count(number, name, place)
            if entry.is_symlink():
                self.path(entry, name, place)
        return real

    def _count(self, number: int, name: str, place: Place | None) -> None:
        if number > MOST_FILES:
            raise UserError(f"{name} has more than {MOST_FILES:,} files", remedy="Name a smaller folder.", place=place)

    def __str__(self) -> str:
        return " or ".join(str(folder) for folder in self.folders)


def _entries(folder: Path) -> Iterator[Path]:
    for home, folders, files in os.walk(folder):
        yield from (Path(home) / name for name in (*folders, *files))
