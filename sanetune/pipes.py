"""Standard output that is a pipe or a file: of another encoding than UTF-8, or read by nobody any more."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIPE_CLOSED = 141
"""The exit code where nobody reads the output any more (128 + SIGPIPE), as of other programs."""


@contextmanager
def ends_as_the_pipe_does() -> Iterator[None]:
    """End with :data:`PIPE_CLOSED` where whoever read the output has gone (``| head``): click and rich end with 1
    then, which is the exit code of a check that failed."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as end:
        if not isinstance(end, BrokenPipeError) and not isinstance(end.__context__, BrokenPipeError):
            raise
        with suppress(OSError, ValueError):  # what is buffered still would be written at the end of Python, and fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)


def print_what_the_encoding_has(stream: object) -> None:
    """Let ``stream`` print ``?`` for a character that its encoding lacks, as ``●`` in that of a Windows redirect: an
    exception there would be the exit code of a check that failed."""
    if not isinstance(stream, io.TextIOWrapper) or stream.errors != "strict":
        return
    if codecs.lookup(stream.encoding).name != "utf-8":
        stream.reconfigure(errors="replace")
