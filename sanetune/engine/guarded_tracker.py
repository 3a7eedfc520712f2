"""A tracker's callback in a thread of its own: it may fail or not answer, and the run goes on without it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from sanetune.engine.tracker_texts import send
from sanetune.engine.watcher import RunWatcher, TrackerText
from sanetune.text import shorten

SECONDS = 120.0
"""Time that a tracker has for one event; wandb by itself waits 90 s for its server when a run begins."""
SECONDS_FOR_FILES = 900.0
"""The same where it may upload files: when a checkpoint is saved, and at the end."""
WITH_FILES = frozenset({"on_save", "on_train_end"})

Say = Callable[[str], None]


class GuardedTracker(TrainerCallback):
    """Passes each event on to one tracker, and drops the tracker that raises an error or does not come back.

    All events of a tracker are handled in one thread, because some keep their run in variables of their thread.

    Args:
        name: The tracker's name in ``run.trackers``.
        make: Makes its callback, in that thread.
        say: Called with a sentence when the tracker is dropped.
        seconds: Time for one event, in seconds; None: :data:`SECONDS`, or :data:`SECONDS_FOR_FILES`.
    """

    def __init__(self, name: str, make: Callable[[], TrainerCallback], say: Say, seconds: float | None = None) -> None:
        self.name, self._make, self._say, self._seconds = name, make, say, seconds
        self._callback: TrainerCallback | None = None
        self._work: queue.Queue[Callable[[], object]] = queue.Queue()
        self._done: queue.Queue[BaseException | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self.dropped = False

    def handle(
        self, event: str, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: object
    ) -> None:
        """Let the tracker handle ``event`` (``on_log``, …); nothing happens once it is dropped."""
        if self.dropped:
            return

        def call() -> None:
            if self._callback is None:
                self._callback = self._make()
            getattr(self._callback, event)(args, state, control, **more)

        self._do(call, self._seconds or (SECONDS_FOR_FILES if event in WITH_FILES else SECONDS))

    def text(self, text: TrackerText) -> None:
        """Give the tracker a text, if it takes any and its run has begun."""
        callback = self._callback
        if callback is not None and not self.dropped:
            self._do(lambda: send(callback, text), self._seconds or SECONDS)

    def _do(self, call: Callable[[], object], seconds: float) -> None:
        """Let the thread make a call, and wait for it so long."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name=f"tracker {self.name}", daemon=True)
            self._thread.start()
        self._work.put(call)
        try:
            error = self._done.get(timeout=seconds)
        except queue.Empty:
            self._drop(f"has not answered for {seconds:g} s")
            return
        if error is not None:
            self._drop(f"failed ({type(error).__name__}: {shorten(' '.join(str(error).split()), 200)})")

    def _serve(self) -> None:
        while not self.dropped:
            call = self._work.get()
            try:
                call()
            except BaseException as error:  # noqa: BLE001 -- SystemExit too: the thread must not end in silence
                self._done.put(error)
            else:
                self._done.put(None)

    def _drop(self, cause: str) -> None:
        self.dropped = True
        self._say(f"{self.name} {cause}; the run goes on without it, and metrics.jsonl has all records")


def _passed_on(event: str) -> Callable[..., None]:
    def method(
        self: GuardedTracker, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: object
    ) -> None:
        self.handle(event, args, state, control, **more)

    return method


for _event in [name for name in vars(TrainerCallback) if name.startswith("on_")]:
    setattr(GuardedTracker, _event, _passed_on(_event))


def guarded(names: Sequence[str], say: Say) -> list[GuardedTracker]:
    """Return the callbacks of the trackers ``names``, each behind a guard that tells ``say`` when it is dropped."""
    return [GuardedTracker(name, INTEGRATION_TO_CALLBACK[name], say) for name in names]


def send_texts(trackers: Sequence[GuardedTracker], watcher: RunWatcher) -> None:
    """Give all ``trackers`` the texts of ``watcher`` that they do not have yet."""
    for text in watcher.texts():
        for tracker in trackers:
            tracker.text(text)
