"""Files that grow line by line.

Where one takes no more, the run ends with what is left and what to do; of one that a kill has cut, what is whole
counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sanetune.commands import command
from sanetune.errors import RunError


def append(path: Path, data: bytes) -> None:
    """Write ``data`` behind what ``path`` has.

    Raises:
        RunError: The disk is full, or the file cannot be written; a part of ``data`` may be there.
    """
    try:
        with path.open("ab") as file:
            file.write(data)
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}.",
            "The run ends here; its checkpoints are as they were.",
            "Free some space, or make the folder writable. Then go on from the last checkpoint with "
            f"`{command('train', '--resume')}`.",
        ) from None


def json_objects(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects in the lines of ``path``, in their order; none where there is no such file.

    A line that a kill has cut, even inside a character, or that is none of ours is left out.

    Raises:
        OSError: The file cannot be read.
    """
    if not path.is_file():
        return []
    found = []
    # Not `splitlines`, which also splits at characters that JSON has in its texts as they are, U+2028 for one.
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
