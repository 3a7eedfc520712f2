"""One run of `sanetune train` in a process that reports what it is doing, and may kill itself at a file operation.

A phase is reported when it begins, through a pipe. A file operation is counted when Python is about to open a file of
the run for writing, or to rename, remove or make one; the process can be told to die right before one of them, which a
clock could hit by chance only.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PHASES = ("preparing", "checking", "asking", "training", "evaluating", "saving", "finishing", "comparing")
OPERATIONS = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "shutil.rmtree")


def load() -> None:
    """Import what a run imports, so that children that are forked later begin at once."""
    import datasets  # noqa: F401
    import torch
    import transformers  # noqa: F401

    import sanetune.api
    import sanetune.cli.train
    import sanetune.engine.trl.engine
    import sanetune.report.terminal.live
    import sanetune.workflows.clear  # noqa: F401

    torch.set_num_threads(1)


def fork(folder: Path, *, resume: bool, report: int, die_at: int | None = None) -> int:
    """Start `sanetune train c.yaml` in ``folder``, and return its process id.

    Args:
        folder: Holds ``c.yaml``; what is said goes to ``log`` in it.
        resume: Whether to go on from the last checkpoint.
        report: A pipe: a phase is its number, a file operation is the byte 255.
        die_at: Number of the file operation, from 1, right before which the process kills itself; None: of none.
    """
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        code = _run(folder, resume, report, die_at)
    finally:
        os._exit(code)


def _run(folder: Path, resume: bool, report: int, die_at: int | None) -> int:
    os.setsid()
    os.chdir(folder)
    log = os.open("log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["SANETUNE_CACHE"] = str(folder / "cache")
    _mark_phases(lambda phase: _report(report, PHASES.index(phase)))
    sys.addaudithook(Operations(str((folder / "run").resolve()), report, die_at))
    from sanetune.cli import main

    try:
        main(["train", "c.yaml", *(["--resume"] if resume else [])], standalone_mode=False)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    return 0


class Operations:
    """An audit hook that counts the operations on files of the run."""

    def __init__(self, folder: str, report: int, die_at: int | None) -> None:
        self._folder, self._report, self._left = folder, report, die_at

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not (event in OPERATIONS or (event == "open" and self._writes(arguments))) or not arguments:
            return
        path = arguments[0]
        if not isinstance(path, str | os.PathLike) or not os.path.abspath(path).startswith(self._folder):
            return
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
        _report(self._report, 255)

    @staticmethod
    def _writes(arguments: tuple[Any, ...]) -> bool:
        mode, flags = arguments[1], arguments[2]
        return any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & 3)


def _mark_phases(report: Callable[[str], None]) -> None:
    import sanetune.engine.trl.session as session
    import sanetune.engine.trl.trainer as trainer
    import sanetune.workflows.clear as clear
    import sanetune.workflows.train as train

    for phase, holder, name in (
        ("preparing", train, "prepare"),
        ("checking", clear, "_check"),
        ("asking", train._Base, "ask"),
        ("training", trainer.Trainer, "get_batch_samples"),
        ("evaluating", trainer.Trainer, "evaluation_loop"),
        ("saving", trainer.Trainer, "_save_checkpoint"),
        ("finishing", session.TrlSession, "_save"),
        ("comparing", train._Base, "compare"),
    ):
        setattr(holder, name, _marked(getattr(holder, name), functools.partial(report, phase)))


def _marked(function: Callable[..., Any], mark: Callable[[], None]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        mark()
        return function(*args, **kwargs)

    return call


def _report(pipe: int, byte: int) -> None:
    try:
        os.write(pipe, bytes([byte]))
    except OSError:
        return
