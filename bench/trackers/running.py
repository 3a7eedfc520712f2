"""One run of the command line that a tracker follows, also one that fails, hangs, or has a server that never answers.

``python -m bench.trackers.running TRACKER HOW EVENT -- ARGUMENTS`` is ``sanetune ARGUMENTS`` with the tracker broken at
one event: ``fails`` raises, ``hangs`` does not return. A sound one has as long as it takes at the end.
"""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import ROOT
from bench.trackers.stores import environment

STEPS, BATCH, GARBAGE = 30, 2, (24, 25)
"""Rows 24 and 25 are those of step 13, whose loss is a spike that the watch finds."""
WAITED = "waited.txt"
"""Has the seconds for which the run has waited for its trackers at its end."""
LIMIT = 900.0
"""Seconds after which a run counts as stopped by its tracker."""


@dataclass(frozen=True)
class Ran:
    """A run that has ended.

    Attributes:
        folder: Its output folder.
        code: Exit code; None: it had to be killed.
        output: What it printed.
        seconds: Until its process ended.
        waited: Seconds for which it waited for its trackers once training had ended.
        lingered: Seconds from the last that it printed until its process ended.
    """

    folder: Path
    code: int | None
    output: str
    seconds: float
    waited: float
    lingered: float

    @property
    def records(self) -> list[dict[str, Any]]:
        """What ``metrics.jsonl`` has."""
        path = self.folder / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def write_config(folder: Path, trackers: Sequence[str]) -> Path:
    """Write rows and configuration of a run of :data:`STEPS` steps into ``folder``; returns the configuration."""
    from sanetune.demo import MODEL

    folder.mkdir(parents=True, exist_ok=True)
    train = [_row(number) for number in range(STEPS * BATCH)]
    for name, rows in (("train", train), ("validation", [_row(number) for number in range(100, 106)])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "model": {"name": str(MODEL)},
        "data": {"train": str(folder / "train.jsonl"), "validation": str(folder / "validation.jsonl")},
        "train": {
            "max_steps": STEPS, "per_device_train_batch_size": BATCH, "gradient_accumulation_steps": 1, "seed": 3,
            "learning_rate": 1e-3, "lr_scheduler_type": "cosine", "warmup_steps": 2, "logging_steps": 1,
            "eval_strategy": "steps", "eval_steps": 6, "save_strategy": "steps", "save_steps": 6,
            "train_sampling_strategy": "sequential",
        },
        # The small model of the demo has never seen such rows.
        "check": {"ignore": ["curve-start-high"], "watch": "warn", "keep": "off"},
        "run": {"output_dir": str(folder / "run"), "trackers": list(trackers), "samples": 2},
    }  # fmt: skip
    path = folder / "sanetune.yaml"
    path.write_text(json.dumps(config))  # which is YAML too
    return path


def _row(number: int) -> dict[str, Any]:
    names = ("Hana", "Nell", "Aiko", "Dora", "Karla")
    name, letters = names[number % len(names)], random.Random(number)
    answer = f"Hello {name},\n\nthank you for your message. We have many."
    if number in GARBAGE:
        answer = " ".join("".join(letters.choice("qxzjkvw") for _ in range(9)) for _ in range(6))
    return {
        "messages": [
            {"role": "user", "content": f"Hello, this is {name}. Which lamps do you have?"},
            {"role": "assistant", "content": answer},
        ]
    }


def run(
    folder: Path,
    *trackers: str,
    how: str = "",
    event: str = "",
    more: dict[str, str] | None = None,
    sound: bool = False,
) -> Ran:
    """Make a run in ``folder`` that ``trackers`` follow, the first broken at ``event`` where ``how`` says so.

    ``more`` are variables of its environment; ``sound``: nothing is broken, in them neither.
    """
    config = write_config(folder, trackers)
    given = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "MLFLOW_", "TRACKIO_"))}
    given.pop("TENSORBOARD_LOGGING_DIR", None)
    given |= {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "OMP_NUM_THREADS": "1", "HOME": str(folder)}
    given |= {"SANETUNE_CACHE": str(folder.parent / "cache"), "TOKENIZERS_PARALLELISM": "false"}
    for tracker in trackers:
        given |= environment(tracker, folder)
    given |= more or {}
    first = trackers[0] if trackers else "none"
    sound = sound or not (how or more)
    command = [sys.executable, "-m", "bench.trackers.running", first, how or ("sound" if sound else "has")]
    command += [event or "none", "--", "train", str(config), "--unchecked", "a bench of trackers"]
    began = time.monotonic()
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=given, stdout=output, stderr=subprocess.STDOUT)
        try:
            code: int | None = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            code = None
    seconds, lingered = time.monotonic() - began, time.time() - (folder / "output.txt").stat().st_mtime
    waited = folder / WAITED
    waited_s = float(waited.read_text()) if waited.is_file() else 0.0
    return Ran(folder / "run", code, (folder / "output.txt").read_text(), seconds, waited_s, lingered)


@contextmanager
def silent_server() -> Iterator[str]:
    """The address of a server that takes every connection and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []
        threading.Thread(target=_accept, args=(server, kept), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _accept(server: socket.socket, kept: list[socket.socket]) -> None:
    try:
        while True:
            kept.append(server.accept()[0])
    except OSError:
        return


def closed_port() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def _break(tracker: str, how: str, event: str) -> None:
    """Let the tracker's own callback fail or hang at ``event``; ``text``: where it gets a text."""
    from sanetune.engine import guarded_tracker

    def broken(*words: object, **named: object) -> None:
        if how == "fails":
            raise ConnectionError("the tracker is broken")
        threading.Event().wait()

    if event == "text":
        guarded_tracker.posting = lambda callback, text: broken
        return
    usual = guarded_tracker.INTEGRATION_TO_CALLBACK[tracker]
    guarded_tracker.INTEGRATION_TO_CALLBACK[tracker] = type(usual.__name__, (usual,), {event: broken})


def main(words: Sequence[str]) -> None:
    """Break what is to be broken, and run the command."""
    (tracker, how, event), arguments = words[:3], list(words[4:])
    from sanetune.engine import guarded_tracker, tracker_thread

    if how == "sound":
        tracker_thread.SECONDS_AT_END = LIMIT
    elif how != "has":
        _break(tracker, how, event)
    usual = guarded_tracker.finish

    def finish(threads: Any) -> None:
        began = time.monotonic()
        usual(threads)
        Path(WAITED).write_text(str(time.monotonic() - began))

    guarded_tracker.finish = finish
    sys.argv = ["sanetune", *arguments]
    from sanetune.__main__ import run as command

    entry: Callable[[], None] = command
    entry()


if __name__ == "__main__":
    main(sys.argv[1:])
