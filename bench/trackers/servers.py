"""A real MLflow server for a run, one that dies while the run goes on, and one that hangs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.trackers.running import closed_port

STARTS = 600.0
"""Seconds that a server may take to start."""
AFTER = 8
"""Records of the run after which its server dies or hangs."""


@contextmanager
def mlflow_server(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of ``mlflow server`` with its store in ``folder``, and its process."""
    folder.mkdir(parents=True, exist_ok=True)
    address = closed_port()
    host, port = address.removeprefix("http://").split(":")
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", port, "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    with (folder / "server.txt").open("w") as output:
        # A group of its own: its workers die and hang with it.
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)
    try:
        _wait(address, process)
        yield address, process
    finally:
        _send(process, signal.SIGCONT)
        _send(process, signal.SIGKILL)
        process.wait()


def strike_at_a_record(run: Path, process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Send ``how`` to the server once the run in ``run`` has :data:`AFTER` records, from a thread."""

    def strike() -> None:
        records = run / "metrics.jsonl"
        while not (records.is_file() and len(records.read_text().splitlines()) >= AFTER):
            time.sleep(0.05)
        _send(process, how)

    threading.Thread(target=strike, daemon=True).start()


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5):
            return
        time.sleep(0.5)
    raise RuntimeError("mlflow server did not start")


def _send(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, how)
