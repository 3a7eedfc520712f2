"""A tracker that fails or does not answer is dropped with a sentence, and the run goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback, TrainerControl, TrainerState

from sanetune.engine.guarded_tracker import GuardedTracker, guarded
from sanetune.engine.metrics import read
from sanetune.engine.tracker_thread import finish
from sanetune.runs import Run
from tests.engine.running import Follower, train

EVENTS = [name for name in vars(TrainerCallback) if name.startswith("on_")]


class Recorder(TrainerCallback):
    """Notes events with their thread, and does something at one of them."""

    def __init__(self, at: str = "", do: Callable[[], Any] = lambda: None) -> None:
        self.seen: list[tuple[str, int]] = []
        for event in EVENTS:
            setattr(self, event, self._noted(event, at, do))

    def _noted(self, event: str, at: str, do: Callable[[], Any]) -> Callable[..., None]:
        def note(*words: Any, **named: Any) -> None:
            self.seen.append((event, threading.get_ident()))
            if event == at:
                do()

        return note


def everything(guard: GuardedTracker, seconds: float = 10.0) -> None:
    for event in EVENTS:
        getattr(guard, event)(None, TrainerState(), TrainerControl(), logs={"loss": 1.0})
    finish([guard.thread], seconds)


def test_every_event_reaches_the_tracker_in_one_thread() -> None:
    tracker, said = Recorder(), []
    everything(GuardedTracker("wandb", lambda: tracker, said.append))
    assert [event for event, _ in tracker.seen] == EVENTS
    threads = {thread for _, thread in tracker.seen}
    assert len(threads) == 1 and threading.get_ident() not in threads
    assert said == []


@pytest.mark.parametrize(
    "error", [ConnectionError("no route"), SystemExit(3), KeyboardInterrupt(), OSError(28, "full")]
)
def test_a_tracker_that_raises_is_dropped_with_its_words(error: BaseException) -> None:
    def fail() -> None:
        raise error

    tracker, said = Recorder("on_train_begin", fail), []
    everything(GuardedTracker("wandb", lambda: tracker, said.append))
    assert [event for event, _ in tracker.seen][-1] == "on_train_begin"
    words = f": {error}" if str(error) else " without a message"
    assert len(said) == 1 and said[0].startswith(f"wandb failed ({type(error).__name__}{words})")
    assert "the run goes on without it" in said[0]


@pytest.mark.parametrize(
    ("text", "cause", "words"),
    [
        ("<no message>", TimeoutError("no answer of 10.0.0.1"), "ValueError: TimeoutError: no answer of 10.0.0.1"),
        ("", None, "ValueError without a message"),
        ("bad key", TimeoutError("later"), "ValueError: bad key"),
    ],
)
def test_an_error_without_words_is_told_by_its_cause(text: str, cause: Exception | None, words: str) -> None:
    def fail() -> None:
        raise ValueError(text) from cause

    said: list[str] = []
    everything(GuardedTracker("wandb", lambda: Recorder("on_log", fail), said.append))
    assert len(said) == 1 and f"failed ({words})" in said[0]


def test_two_trackers_are_callbacks_of_two_classes() -> None:
    with guarded(["wandb", "tensorboard"], print) as trackers:
        assert len({type(tracker) for tracker in trackers}) == 2


def test_a_tracker_that_cannot_be_made_is_dropped() -> None:
    def make() -> TrainerCallback:
        raise RuntimeError("wandb is broken")

    said: list[str] = []
    everything(GuardedTracker("wandb", make, said.append))
    assert len(said) == 1 and "wandb is broken" in said[0]


def test_nobody_waits_for_a_tracker_that_does_not_answer() -> None:
    never, said = threading.Event(), []
    guard = GuardedTracker("wandb", lambda: Recorder("on_log", never.wait), said.append, seconds=0.2)
    began = time.monotonic()
    everything(guard, 0.3)
    assert time.monotonic() - began < 1.0
    assert said == ["wandb has not answered for 0.2 s; the run goes on without it, and metrics.jsonl has all records"]
    guard.on_log(None, TrainerState(), TrainerControl())  # type: ignore[arg-type]
    assert len(said) == 1
    never.set()


def test_events_are_handled_as_they_were_when_they_came() -> None:
    seen: list[tuple[int, float]] = []
    slow = threading.Event()

    class Slow(TrainerCallback):
        def on_log(self, args: Any, state: TrainerState, control: Any, **more: Any) -> None:
            slow.wait(5)
            seen.append((state.global_step, more["logs"]["loss"]))

    guard, state, logs = GuardedTracker("wandb", Slow, print), TrainerState(), {}
    for step in (1, 2, 3):
        state.global_step, logs["loss"] = step, step / 10
        guard.on_log(None, state, TrainerControl(), logs=logs)  # type: ignore[arg-type]
    slow.set()
    finish([guard.thread])
    assert seen == [(1, 0.1), (2, 0.2), (3, 0.3)]


@pytest.mark.parametrize("at", ["on_train_begin", "on_log", "on_save", "on_train_end"])
def test_a_run_whose_tracker_fails_has_all_records_and_its_model(
    at: str, prepared: Any, config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ConnectionError("the server is down")

    from sanetune.engine import guarded_tracker

    monkeypatch.setitem(guarded_tracker.INTEGRATION_TO_CALLBACK, "tensorboard", lambda: Recorder(at, fail))
    run, follower = Run.create(tmp_path / "run"), Follower()
    train(config(trackers=["tensorboard"], max_steps=2), prepared, run, follower)
    assert sum("the server is down" in note for note in follower.notes) == 1
    assert [record.step for record in read(run.metrics) if record.kind == "train"] == [1, 2]
    assert run.finished


def test_wandb_without_a_login_is_a_note(
    prepared: Any, config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_SILENT", "true")
    run, follower = Run.create(tmp_path / "run"), Follower()
    try:
        train(config(trackers=["wandb"], max_steps=1), prepared, run, follower)
    finally:
        wandb.teardown()
    assert any("wandb failed" in note and "wandb login" in note for note in follower.notes)
    assert run.finished


def test_a_hub_that_refuses_a_checkpoint_is_a_note(
    prepared: Any, config: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    def refuse(self: Any, folder: str) -> None:
        raise ConnectionError("the Hub is down")

    monkeypatch.setattr(transformers.Trainer, "init_hf_repo", lambda self: None)
    monkeypatch.setattr(transformers.Trainer, "_push_from_checkpoint", refuse)
    run, follower = Run.create(tmp_path / "run"), Follower()
    train(config(push_to_hub=True, max_steps=2), prepared, run, follower)
    assert any("pushing to the Hub failed at step 2 (the Hub is down)" in note for note in follower.notes)
    assert run.finished
