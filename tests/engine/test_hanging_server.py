"""A server that takes every connection and answers none: the run is not delayed by it, and neither is its end."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from bench.trackers.running import silent_server
from sanetune.engine import guarded_tracker, tracker_thread
from sanetune.engine.metrics import read
from sanetune.runs import Run
from tests.engine.running import Follower, train


@pytest.fixture
def address() -> Iterator[str]:
    with silent_server() as address:
        yield address


@pytest.mark.parametrize("event", ["on_train_begin", "on_log"])
def test_a_run_whose_server_hangs_is_not_delayed_and_has_all_records(
    event: str,
    address: str,
    prepared: Any,
    config: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[float] = []

    def post(*words: object, **named: object) -> None:
        left.append(time.monotonic())
        urllib.request.urlopen(address, timeout=60).read()

    monkeypatch.setitem(
        guarded_tracker.INTEGRATION_TO_CALLBACK, "tensorboard", type("Posting", (TrainerCallback,), {event: post})
    )
    monkeypatch.setattr(tracker_thread, "SECONDS_AT_END", 0.5)
    run, follower = Run.create(tmp_path / "run"), Follower()
    train(config(trackers=["tensorboard"], max_steps=3), prepared, run, follower)
    assert len(left) == 1  # the call that hangs is the last that is made
    assert [note for note in follower.notes if "tensorboard has not taken all" in note]
    assert [record.step for record in read(run.metrics) if record.kind == "train"] == [1, 2, 3]
    assert run.finished


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_ends_with_its_code_whatever_a_trackers_package_waits_for(code: int, address: str) -> None:
    program = f"""
        import atexit, sys, threading, urllib.request
        from sanetune.engine import tracker_thread

        def post():
            urllib.request.urlopen("{address}", timeout=60).read()

        tracker = tracker_thread.TrackerThread("mlflow", print)
        tracker.call(post)
        threading.Thread(target=post).start()  # as its package does: the interpreter waits for this one
        atexit.register(post)
        tracker_thread.finish([tracker], 0.2)
        tracker_thread.SECONDS_WHEN_LEFT = 0.3
        tracker_thread.bound_end({code})
        sys.exit({code})
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == code, done.stderr[-2000:]
    expected = "mlflow has not taken all that was left when the run ended; metrics.jsonl has all records\n"
    assert done.stdout == expected
