"""One state as two files, ``NAME.json`` and, where it holds tensors, ``NAME.safetensors``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.engine.state.tree import BrokenStateError, UnkeepableError, flatten, restore
from sanetune.errors import Place, RunError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 256 * 2**20
"""Bytes of JSON that are read: a state with an entry for each of a million tensors has fewer."""


def write_state(folder: Path, name: str, value: object) -> None:
    """Write ``value`` into ``folder`` under ``name``, with every number as it is.

    Raises:
        RunError: It holds what only a pickle could keep.
    """
    from safetensors.torch import save_file

    try:
        plain, tensors = flatten(value)
    except UnkeepableError as error:
        raise RunError(
            f"The {name} state cannot be saved: {error}.",
            "sanetune keeps numbers, texts and tensors; an object could be kept as a pickle only, which can run code "
            "when it is read.",
            "Choose another optimizer (train.optim), or set train.save_only_model: true and do without resuming.",
        ) from None
    (folder / f"{name}.json").write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
    if tensors:
        save_file(_apart(tensors), folder / f"{name}.safetensors")


def read_state(folder: Path, name: str) -> object:
    """Return what :func:`write_state` was given, its tensors in main memory.

    Raises:
        RunError: The files are missing, are links, or hold something else.
    """
    file = folder / f"{name}.json"
    try:
        if any(path.is_symlink() for path in (file, file.with_suffix(".safetensors"))):
            raise BrokenStateError("it is a link")
        if file.stat().st_size > LARGEST:
            raise BrokenStateError(f"it has more than {LARGEST:,} bytes")
        plain = json.loads(file.read_text(encoding="utf-8"))
        return restore(plain, _tensors(file.with_suffix(".safetensors")))
    except (OSError, ValueError, RecursionError, BrokenStateError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RunError(
            f"The {name} state cannot be read: {reason}.",
            "Without it the run would go on in another way than it began.",
            "Delete this checkpoint, so that the one before is used, or begin anew.",
            Place(file=file),
        ) from None


def has_state(folder: Path, name: str) -> bool:
    """Return whether ``folder`` holds a state of this name."""
    return (folder / f"{name}.json").is_file()


def _tensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        return {}
    try:
        with safe_open(file, framework="pt") as opened:
            # Copies: a mapped file would hold the space of a checkpoint that is deleted later.
            return {name: opened.get_tensor(name).clone() for name in opened.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BrokenStateError(f"{file.name}: {error}") from None


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as safetensors wants them: contiguous, and none in the storage of another."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage()
        alone = tensor.is_contiguous() and storage.data_ptr() not in seen and storage.nbytes() == tensor.nbytes
        found[name] = tensor if alone else tensor.contiguous().clone()
        if alone:
            seen.add(storage.data_ptr())
    return found
