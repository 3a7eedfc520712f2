"""A process whose starter was killed ends, and one whose starter lives goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CHILD = """
import signal, sys, time
from pathlib import Path
from sanetune.engine.orphans import end_when_orphaned
def ended(number, frame):
    Path(sys.argv[1]).write_text("SIGTERM")
    sys.exit(143)
signal.signal(signal.SIGTERM, ended)
end_when_orphaned(every=0.05)
Path(sys.argv[1]).write_text("alive")
time.sleep(60)
"""
PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', *sys.argv[1:]]); time.sleep(60)"


def written(file: Path, text: str, seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if file.exists() and file.read_text() == text:
            return True
        time.sleep(0.05)
    return False


def test_a_process_is_asked_to_end_once_its_starter_was_killed_and_not_before(tmp_path: Path) -> None:
    file = tmp_path / "state"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD, str(file)])
    assert written(file, "alive")
    time.sleep(0.3)
    assert file.read_text() == "alive"
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert written(file, "SIGTERM")
