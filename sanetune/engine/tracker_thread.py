"""The thread in which a tracker is called: it may fail or not answer, and neither the run nor its process waits."""

from __future__ import annotations

import os
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable

from sanetune.text import shorten

SECONDS = 120.0
"""Time that a tracker has for one call; wandb by itself waits 90 s for its server when a run begins."""
SECONDS_AT_END = 30.0
"""Time that all trackers together have for what is left when the run has ended, and their packages after that."""
SECONDS_FOR_FILES = 900.0
"""Either, where a tracker was asked to upload the model or checkpoints."""
SECONDS_WHEN_LEFT = 3.0
"""Time that the packages have at the end of the process, where a tracker has failed or does not answer."""
MOST = 10_000
"""Calls that may wait for a tracker; each holds the figures of one record."""
UPLOADS = re.compile(r".*_LOG_(MODEL|ARTIFACTS|ASSETS)")
"""Variables of the environment by which trackers are asked to upload files."""
SILENT = ("", "<no message>")
"""Texts of errors that say nothing."""
REFUSALS = ("", "0", "false", "no", "off", "none")

Say = Callable[[str], None]
_threads: list[TrackerThread] = []


class TrackerThread:
    """Makes the calls of one tracker one after another, and drops the tracker that raises or does not come back.

    All calls of a tracker are made in one thread, because some keep their run in variables of their thread.

    Args:
        name: The tracker's name, as the user knows it.
        say: Called with a sentence, in the thread of the run, when the tracker is dropped.
        kept: Where the user has what the tracker lacks.
        seconds: Time for one call, in seconds; None: :data:`SECONDS`, or :data:`SECONDS_FOR_FILES`.
    """

    def __init__(
        self, name: str, say: Say, kept: str = "metrics.jsonl has all records", seconds: float | None = None
    ) -> None:
        self.name, self._say, self._kept, self._seconds = name, say, kept, seconds
        self.dropped = False
        self._work: queue.SimpleQueue[Callable[[], object] | threading.Event | None] = queue.SimpleQueue()
        self._began: float | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def call(self, work: Callable[[], object]) -> None:
        """Let the tracker make a call when it has made those before; nothing happens once it is dropped."""
        self.inspect()
        if self.dropped:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=f"tracker {self.name}", daemon=True)
            self._thread.start()
            _threads.append(self)
        self._work.put(work)

    def inspect(self) -> None:
        """Drop the tracker if it has raised, is at one call for too long, or too far behind."""
        if self.dropped:
            return
        seconds = self._seconds or _patience(SECONDS)
        if (error := self._error) is not None:
            self._drop(f"failed ({_words(error)})")
        elif self._busy() > seconds:
            self._drop(f"has not answered for {seconds:g} s")
        elif self._work.qsize() > MOST:
            self._drop(f"is {MOST:,} records behind")

    def wait(self, seconds: float) -> bool:
        """Wait until the calls so far are made, at most ``seconds``; returns whether they are."""
        if self._thread is None:
            return True
        done = threading.Event()
        self._work.put(done)
        # A call that has taken as long already is one that nothing comes of.
        return done.wait(max(0.0, seconds - self._busy()))

    def finish(self, seconds: float) -> None:
        """Let the tracker take what is left, for at most ``seconds``; none may be given to it afterwards."""
        made = self.dropped or self.wait(seconds)
        self._work.put(None)
        self.inspect()
        if not made and not self.dropped:
            self._drop("has not taken all that was left when the run ended", "")

    def _busy(self) -> float:
        """Seconds that the call in progress has taken."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            if isinstance(work, threading.Event):
                work.set()
            elif self._error is None and not self.dropped:
                self._make(work)

    def _make(self, work: Callable[[], object]) -> None:
        self._began = time.monotonic()
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- SystemExit too: the thread must not end in silence
            self._error = error
        finally:
            self._began = None

    def _drop(self, cause: str, then: str = "the run goes on without it, and ") -> None:
        self.dropped = True
        self._say(f"{self.name} {cause}; {then}{self._kept}")


def finish(threads: Iterable[TrackerThread], seconds: float | None = None) -> None:
    """Let all ``threads`` take what is left, together for at most ``seconds``; None: :data:`SECONDS_AT_END`."""
    until = time.monotonic() + (seconds or _patience(SECONDS_AT_END))
    for thread in threads:
        thread.finish(until - time.monotonic())


def bound_end(code: object) -> None:
    """End this process some seconds from now, whatever the trackers' packages still wait for at its end.

    They flush and upload in threads and exit handlers of their own, also to a server that no longer answers.

    Args:
        code: What the process ends with, as in ``SystemExit``.
    """
    if not _threads:
        return
    left = any(thread.dropped for thread in _threads)
    seconds = SECONDS_WHEN_LEFT if left else _patience(SECONDS_AT_END)
    status = code if isinstance(code, int) else int(code is not None)

    def end() -> None:
        time.sleep(seconds)
        if not left:
            names = ", ".join(dict.fromkeys(thread.name for thread in _threads))
            print(f"{names}: not all was sent within {seconds:g} s; metrics.jsonl has all records", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    threading.Thread(target=end, name="end of the trackers", daemon=True).start()


def _patience(seconds: float) -> float:
    """``seconds``, or more where a tracker uploads files."""
    asked = any(UPLOADS.fullmatch(name) and value.lower() not in REFUSALS for name, value in os.environ.items())
    return max(seconds, SECONDS_FOR_FILES) if asked else seconds


def _words(error: BaseException) -> str:
    """The error in words: that of its cause where it has none itself, as wandb's of a server that cannot be reached."""
    names, cause = [type(error).__name__], error
    while (text := " ".join(str(cause).split())) in SILENT:
        later = cause.__cause__ or cause.__context__
        if later is None:
            return f"{names[0]} without a message"
        cause = later
        names = [names[0], type(cause).__name__]
    return f"{': '.join(names)}: {shorten(text, 200)}"
