"""Checkpoints that are whole or absent: written beside, flushed to disk, then moved into place in one step."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sanetune.commands import command
from sanetune.errors import ModelError, RunError

STATE = "trainer_state.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")


def step_of(folder: Path) -> int | None:
    """The step in a checkpoint folder's name, None when it is not one."""
    match = _NAME.fullmatch(folder.name)
    return int(match[1]) if match else None


def complete(folder: Path) -> list[Path]:
    """The checkpoints that can be resumed from, oldest first."""
    if not folder.is_dir():
        return []
    found = [(step, path) for path in folder.iterdir() if (step := step_of(path)) is not None and is_complete(path)]
    return [path for _, path in sorted(found)]


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that can be resumed from."""
    return found[-1] if (found := complete(folder)) else None


def is_complete(checkpoint: Path) -> bool:
    """Whether state, weights and optimizer are there and the weights' files have the length that their headers say.

    Ours appear in one move, so this finds what others left: half-copied or half-deleted folders.
    """
    from sanetune.data.model_files import check_safetensors

    try:
        json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        for path in checkpoint.glob("*.safetensors"):
            check_safetensors(path)
    except (OSError, ValueError, ModelError):
        return False
    weights = any((checkpoint / name).is_file() for name in _WEIGHTS)
    # FSDP and DeepSpeed keep weights and optimizer in folders of their own.
    sharded = any(path.is_dir() for path in checkpoint.iterdir())
    return sharded or (weights and (checkpoint / "optimizer.pt").is_file())


@contextlib.contextmanager
def replacing(final: Path, *, main: bool = True, barrier: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Write a folder in one step: yields a folder beside ``final`` to write into, which then takes its place.

    When the block fails, what it wrote is removed and ``final`` is as it was before. A full disk becomes a
    :class:`RunError` that names the free space. With several processes, all enter; ``main`` makes the folder and moves
    it.
    """
    partial = final.with_name(f".{final.name}.partial")
    if main:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    barrier()
    try:
        yield partial
        barrier()
        if main:
            _flush(partial)
            _swap(partial, final)
    except BaseException as error:
        size = _size(partial)
        if main:
            shutil.rmtree(partial, ignore_errors=True)
        if is_disk_full(error):
            raise _disk_full(final, size) from error
        raise
    barrier()


def rotate(folder: Path, limit: int | None, keep: Path | None) -> list[Path]:
    """Delete the oldest checkpoints, so that at most ``limit`` are left; never the newest nor ``keep`` (the best one).

    Returns the deleted folders. ``limit`` is a number of checkpoints.

    Each is first renamed, so that one half deleted cannot be taken for a checkpoint.
    """
    if not limit or limit < 1:
        return []
    there = sorted((step, path) for path in folder.iterdir() if (step := step_of(path)) is not None)
    paths = [path for _, path in there]
    protected = {paths[-1].name} if paths else set()
    if keep is not None:
        protected.add(keep.name)
    surplus = max(0, len(paths) - max(limit, len(protected)))
    gone = [path for path in paths if path.name not in protected][:surplus]
    for path in gone:
        hidden = path.with_name(f".{path.name}.deleted")
        path.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
    return gone


def sweep(folder: Path) -> None:
    """Remove what interrupted writes and deletions left (hidden ``.checkpoint-N.partial`` and the like)."""
    for pattern in (".*.partial", ".*.deleted", ".*.old"):
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that the disk (or a quota) is full.

    safetensors and torch do not raise OSError: the first passes the system's words on, the second's zip writer only
    says that it wrote fewer bytes than it wanted to.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return True
        words = str(seen)
        if "No space left" in words or "os error 28" in words or "Disk quota exceeded" in words:
            return True
        if isinstance(seen, RuntimeError) and "inline_container" in words and "unexpected pos" in words:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The trainer's state as it was saved."""
    state: dict[str, Any] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return state


def _flush(folder: Path) -> None:
    """Make the system write everything now: a disk may report that it is full only then."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())


def _swap(partial: Path, final: Path) -> None:
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _size(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return 0


def _disk_full(final: Path, written: int) -> RunError:
    free = shutil.disk_usage(final.parent).free
    before = latest(final.parent)
    kept = f"The last complete checkpoint is {before.name}." if before else "There is no earlier checkpoint."
    resume = f" Then go on with `{command('train', '--resume')}`." if before else ""
    return RunError(
        f"The disk is full: {final.name} could not be written to {final.parent} "
        f"({free / 1e6:,.1f} MB free, {written / 1e6:,.1f} MB of it written and removed again).",
        f"{kept} Nothing half-written was left behind.",
        f"Free some space, lower train.save_total_limit, or move the run to another disk (run.output_dir).{resume}",
    )
