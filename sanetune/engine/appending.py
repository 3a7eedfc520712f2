"""Files that a run adds to step by step: where one takes no more, the run ends with what is left and what to do."""

from __future__ import annotations

from pathlib import Path

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
