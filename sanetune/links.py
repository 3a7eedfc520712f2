"""Symbolic links that lead out of a folder: what is written through one lands where nobody expects it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def outward_links(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield the links among ``names`` in ``folder`` and in what they hold that lead out of ``folder``.

    The folder itself may be a link.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as made:
        ...     (Path(made) / "steps").symlink_to("/etc")
        ...     [path.name for path in outward_links(Path(made), ["steps", "absent"])]
        ['steps']
    """
    home = folder.resolve()
    for name in names:
        for path in _with_content(folder / name):
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                yield path


def _with_content(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for root, folders, files in os.walk(path):
            yield from (Path(root) / name for name in (*folders, *files))
