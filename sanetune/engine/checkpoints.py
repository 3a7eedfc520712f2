"""Checkpoints that are whole or absent: written beside, with checksums, flushed to disk, then moved into place in one
step.

An engine writes the weights as safetensors, what :mod:`sanetune.engine.state` writes of optimizer, schedule and random
states, and :data:`STATE` last, in a block of :func:`replacing`; it goes on from what :func:`resume_point` finds.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanetune.commands import command
from sanetune.engine.checksums import fault_of as checksum_fault
from sanetune.engine.checksums import has_checksums, write_checksums
from sanetune.errors import ModelError, RunError

STATE = "trainer_state.json"
_NAME = re.compile(r"checkpoint-(\d+)")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")
_OPTIMIZERS = ("optimizer.json", "optimizer.pt")
"""Ours, and that of transformers' own checkpoints, which :func:`resume_point` refuses."""
_FULL = ("No space left", "os error 28", "Disk quota exceeded", "os error 122", "File too large", "os error 27")
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE)
_PICKLES = ("*.pt", "*.pth", "*.bin", "*.pkl", "*.distcp")


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a run goes on.

    Attributes:
        path: The newest checkpoint whose files are as they were written; None: there is none.
        skipped: Newer ones that are not, with what is wrong with each.
    """

    path: Path | None
    skipped: tuple[tuple[Path, str], ...] = ()

    @property
    def notes(self) -> list[str]:
        """What was skipped, a sentence each."""
        then = "the run begins anew" if self.path is None else f"going on from {self.path.name}"
        return [f"{path.name} is damaged ({fault}) and was skipped; {then}" for path, fault in self.skipped]


def step_of(folder: Path) -> int | None:
    """The step in a checkpoint folder's name, None when it is not one."""
    match = _NAME.fullmatch(folder.name)
    return int(match[1]) if match else None


def complete(folder: Path) -> list[Path]:
    """The checkpoints that are whole, oldest first; also those of transformers' own trainer."""
    return [path for path in _by_step(folder) if is_complete(path)]


def latest(folder: Path) -> Path | None:
    """The newest checkpoint that is whole."""
    return next((path for path in reversed(_by_step(folder)) if is_complete(path)), None)


def resume_point(folder: Path) -> ResumePoint:
    """Return where a run goes on whose checkpoints are in ``folder``.

    Raises:
        RunError: The newest whole checkpoint has its optimizer as a pickle.
    """
    skipped: list[tuple[Path, str]] = []
    for path in reversed(_by_step(folder)):
        fault = fault_of(path)
        if fault is None and pickles(path):
            raise _pickled(path)
        if fault is None:
            return ResumePoint(path, tuple(skipped))
        skipped.append((path, fault))
    return ResumePoint(None, tuple(skipped))


def is_complete(checkpoint: Path) -> bool:
    """Whether state, weights and optimizer are there and as they were written; see :func:`fault_of`."""
    return fault_of(checkpoint) is None


def fault_of(checkpoint: Path) -> str | None:
    """Return what is wrong with a checkpoint's files, in a few words; None: it is whole.

    Ours are compared with their checksums. Others have none: of their weights' files the length is compared with what
    their headers say, which finds half-copied and half-deleted folders.
    """
    from sanetune.data.model_files import check_safetensors, points_outside

    try:
        json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"{STATE} is missing"
    except (OSError, ValueError, RecursionError):
        return f"{STATE} cannot be read"
    if has_checksums(checkpoint):
        if fault := checksum_fault(checkpoint):
            return fault
    else:
        for path in checkpoint.glob("*.safetensors"):
            try:
                check_safetensors(path)
            except (OSError, ModelError):
                return f"{path.name} is not whole"
    if points_outside(checkpoint):
        return "its index of weights points outside its folder"
    # FSDP and DeepSpeed keep weights and optimizer in folders of their own.
    if any(path.is_dir() for path in checkpoint.iterdir()):
        return None
    for part, names in (("weights", _WEIGHTS), ("optimizer state", _OPTIMIZERS)):
        if not any((checkpoint / name).is_file() for name in names):
            return f"it has no {part}"
    return None


def pickles(checkpoint: Path) -> list[Path]:
    """Return the files of a checkpoint that could be read by unpickling only."""
    return sorted(path for pattern in _PICKLES for path in checkpoint.rglob(pattern))


@contextlib.contextmanager
def replacing(final: Path, *, main: bool = True, barrier: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """Write a folder in one step: yields a folder beside ``final`` to write into, which then takes its place.

    When the block fails, what it wrote is removed and ``final`` is as it was before. A full disk or a folder that
    cannot be written becomes a :class:`RunError` that says what is left. A checkpoint gets checksums of its files. With
    several processes, all enter; ``main`` makes the folder and moves it.
    """
    partial = final.with_name(f".{final.name}.partial")
    if main:
        _make(partial, final)
    barrier()
    try:
        yield partial
        barrier()
        if main:
            if step_of(final) is not None:
                write_checksums(partial)
            _flush(partial)
            _swap(partial, final)
    except BaseException as error:
        size = _size(partial)
        if main:
            shutil.rmtree(partial, ignore_errors=True)
        if is_disk_full(error):
            raise _disk_full(final, size) from error
        if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
            raise _not_writable(final, error) from error
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
    """Remove what interrupted writes and deletions left (hidden ``.checkpoint-N.partial`` and the like).

    A folder that was moved away for a new one that never came gets its name back.
    """
    for old in folder.glob(".*.old"):
        final = old.with_name(old.name.removeprefix(".").removesuffix(".old"))
        if old.is_dir() and not final.exists():
            old.rename(final)
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
        if any(sign in words for sign in _FULL):
            return True
        if isinstance(seen, RuntimeError) and "inline_container" in words and "unexpected pos" in words:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The trainer's state as it was saved.

    Raises:
        RunError: Its best step is not a number: a path would be made of it.
    """
    state: dict[str, Any] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    if type(best := state.get("best_global_step")) not in (int, type(None)):
        raise RunError(f"{checkpoint.name}/{STATE} has {str(best)[:80]!r} as its best step, which is no number.")
    return state


def _by_step(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = ((step_of(path), path) for path in folder.iterdir())
    return [path for _, path in sorted((step, path) for step, path in found if step is not None)]


def _make(partial: Path, final: Path) -> None:
    if partial.is_symlink():
        partial.unlink()
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        if is_disk_full(error):
            raise _disk_full(final, 0) from error
        raise _not_writable(final, error) from error


def _flush(folder: Path) -> None:
    """Make the system write everything now: a disk may report that it is full only then."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
    for path in [*sorted(path for path in folder.rglob("*") if path.is_dir()), folder]:
        _flush_names(path)


def _flush_names(folder: Path) -> None:
    """Make the system write which files are in a folder; a system that has no such call does it by itself."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _swap(partial: Path, final: Path) -> None:
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    _flush_names(final.parent)
    shutil.rmtree(old, ignore_errors=True)


def _size(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return 0


def _left(final: Path) -> str:
    before = latest(final.parent)
    if before is None:
        return "There is no earlier checkpoint. Nothing half-written was left behind."
    return f"The last complete checkpoint is {before.name}. Nothing half-written was left behind."


def _then_resume(final: Path) -> str:
    return f" Then go on with `{command('train', '--resume')}`." if latest(final.parent) else ""


def _disk_full(final: Path, written: int) -> RunError:
    free = shutil.disk_usage(final.parent).free
    return RunError(
        f"The disk is full: {final.name} could not be written to {final.parent} "
        f"({free / 1e6:,.1f} MB free, {written / 1e6:,.1f} MB of it written and removed again).",
        _left(final),
        "Free some space, lower train.save_total_limit, or move the run to another disk (run.output_dir)."
        + _then_resume(final),
    )


def _not_writable(final: Path, error: OSError) -> RunError:
    return RunError(
        f"{final.name} cannot be written to {final.parent}: {error.strerror or error}.",
        _left(final),
        "Make the folder writable, or move the run to another disk (run.output_dir)." + _then_resume(final),
    )


def _pickled(path: Path) -> RunError:
    names = ", ".join(file.name for file in pickles(path)[:3])
    return RunError(
        f"{path.name} has its training state as pickles ({names}).",
        "Reading a pickle can run any code. Earlier versions, transformers' own trainer, FSDP and DeepSpeed write "
        "such checkpoints.",
        "Finish the run with the version that wrote it (versions.json), or begin a new one from its weights: "
        f"model.name={path} under another run.name.",
    )
