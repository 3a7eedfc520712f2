"""A tracker's callback in a thread of its own: it may fail or not answer, and the run goes on without it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from sanetune.engine.library_logs import quiet
from sanetune.engine.tracker_texts import posting
from sanetune.engine.tracker_thread import Say, TrackerThread, finish
from sanetune.engine.watcher import RunWatcher, TrackerText

SYNCHRONOUS = {"_async_log": property(lambda self: False, lambda self, value: None)}
"""For MLflow's callback, which else hands values to threads that fail in silence and keep the process from ending."""


class GuardedTracker(TrainerCallback):
    """Passes each event on to one tracker, which handles it while the run goes on.

    Args:
        name: The tracker's name in ``run.trackers``.
        make: Makes its callback, in the tracker's thread.
        say: Called with a sentence when the tracker is dropped.
        seconds: Time for one event, in seconds; None: the usual one.
    """

    def __init__(self, name: str, make: Callable[[], TrainerCallback], say: Say, seconds: float | None = None) -> None:
        self.thread = TrackerThread(name, say, seconds=seconds)
        self._make = make
        self._callback: TrainerCallback | None = None

    def handle(
        self, event: str, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: object
    ) -> None:
        """Let the tracker handle ``event`` (``on_log``, …), with everything as it is now."""
        if getattr(self._make, event, None) is getattr(TrainerCallback, event):
            self.thread.inspect()
            return  # it does nothing there
        state = copy.copy(state)
        given: dict[str, Any] = {name: dict(one) if isinstance(one, dict) else one for name, one in more.items()}

        def call() -> None:
            if self._callback is None:
                self._callback = self._make()
            getattr(self._callback, event)(args, state, control, **given)

        self.thread.call(call)

    def text(self, text: TrackerText) -> None:
        """Give the tracker a text, if it takes any and its run has begun."""

        def call() -> None:
            if self._callback is not None and (post := posting(self._callback, text)) is not None:
                post()

        self.thread.call(call)


def _passed_on(event: str) -> Callable[..., None]:
    def method(
        self: GuardedTracker, args: TrainingArguments, state: TrainerState, control: TrainerControl, **more: object
    ) -> None:
        self.handle(event, args, state, control, **more)

    return method


for _event in [name for name in vars(TrainerCallback) if name.startswith("on_")]:
    setattr(GuardedTracker, _event, _passed_on(_event))


@contextlib.contextmanager
def guarded(names: Sequence[str], say: Say) -> Iterator[list[GuardedTracker]]:
    """Give the callbacks of the trackers ``names``, each behind a guard that tells ``say`` when it is dropped.

    At the end of the context they have some seconds for what is left.
    """
    trackers = [_named(name)(name, _callback(name), say) for name in names]
    try:
        yield trackers
    finally:
        with quiet():
            finish([tracker.thread for tracker in trackers])


def _named(name: str) -> type[GuardedTracker]:
    """A class of its own: transformers warns of two callbacks of one."""
    return type(f"Guarded_{name}", (GuardedTracker,), {})


def _callback(name: str) -> type[TrainerCallback]:
    usual: type[TrainerCallback] = INTEGRATION_TO_CALLBACK[name]
    return type(usual.__name__, (usual,), SYNCHRONOUS) if name == "mlflow" else usual


def send_texts(trackers: Sequence[GuardedTracker], watcher: RunWatcher) -> None:
    """Give all ``trackers`` the texts of ``watcher`` that they do not have yet."""
    for text in watcher.texts():
        for tracker in trackers:
            tracker.text(text)
