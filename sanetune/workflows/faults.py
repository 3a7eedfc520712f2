"""Exceptions of disk, memory, network and libraries that a user can do something about, as errors with a remedy."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from sanetune.engine.distributed import gone_process
from sanetune.errors import Place, RunError, UserError
from sanetune.text import shorten

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
BROKEN = (errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG)
NETWORK = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib3", "urllib")
"""Packages whose exceptions are about the network or the Hub."""


def user_error(error: BaseException) -> UserError | None:
    """Return the error that a user can fix behind ``error``, or behind what it was raised from; None: it is a bug."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return None
        if isinstance(seen, UserError):
            return seen
        if found := gone_process(seen) or _of_network(seen) or _of_disk(seen) or _of_memory(seen):
            return found
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return None


def _of_disk(error: BaseException) -> UserError | None:
    from sanetune.engine.checkpoints import is_disk_full

    words = _words(error)
    file = error.filename if isinstance(error, OSError) and isinstance(error.filename, str | bytes) else None
    place = Place(os.fsdecode(file)) if file else None
    if is_disk_full(error):
        if not file:
            return RunError(
                f"The disk is full: {words}",
                "What was being written is not complete; finished files are.",
                "The system does not say which disk: check that of standard output, if it goes to a file, of the run "
                "(run.output_dir), of the cache (SANETUNE_CACHE) and of temporary files (TMPDIR). `df -h` shows them.",
            )
        folder = Path(os.fsdecode(file)).parent
        free = f" ({shutil.disk_usage(folder).free / 1e6:,.1f} MB free)" if folder.is_dir() else ""
        return RunError(
            f"The disk is full{free}: {words}",
            "What was being written is not complete; finished files are.",
            "Free some space, or move the run (run.output_dir) or the cache (SANETUNE_CACHE) to another disk.",
            place,
        )
    if isinstance(error, OSError) and error.errno in (*REFUSED, *BROKEN) and file:
        return RunError(
            f"The file or folder cannot be used: {error.strerror or words}",
            "Nothing can be read from it or written to it.",
            "Change its permissions, or move the run (run.output_dir) or the cache (SANETUNE_CACHE) elsewhere."
            if error.errno in REFUSED
            else "Check the disk that it is on, then type the command again.",
            place,
        )
    return None


def _of_memory(error: BaseException) -> UserError | None:
    from sanetune.engine.out_of_memory import is_out_of_memory

    if not is_out_of_memory(error):
        return None
    return RunError(
        f"There is no memory left: {_words(error) or 'MemoryError'}",
        "Weights, gradients and activations of a batch have to fit.",
        "Lower train.per_device_train_batch_size or train.max_length, or train an adapter (model.adapter: lora).",
    )


def _of_network(error: BaseException) -> UserError | None:
    packages = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    if not packages & set(NETWORK) and not isinstance(error, ConnectionError):
        return None
    return RunError(
        f"The Hub or another server has not given what was asked of it: {_words(error)}",
        "The command needs it to go on.",
        "Check the network, the name, and the login (`hf auth login`), or give a local folder or file.",
    )


def _words(error: BaseException) -> str:
    return shorten(" ".join(str(error).split()), 300)
