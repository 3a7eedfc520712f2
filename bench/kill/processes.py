"""The same with several processes under torchrun: all of them are killed at a random second."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import ROOT
from bench.kill.moments import LONGEST, NOTHING


def run(folder: Path, processes: int, *, resume: bool, kill_after: float | None = None) -> tuple[int, float]:
    """Run `sanetune train c.yaml` in ``folder`` on ``processes`` processes; returns exit code and seconds."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*launch, "-m", "sanetune", "train", "c.yaml", *(["--resume"] if resume else [])]
    more = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "SANETUNE_CACHE": str(folder / "cache")}
    began = time.monotonic()
    with (folder / "log").open("ab") as log:
        started = subprocess.Popen(
            command, cwd=folder, env=os.environ | more, stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = started.wait(kill_after or LONGEST)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        finally:
            _end_all(started.pid)
            started.wait()
    return code, time.monotonic() - began


def kill_and_resume(
    folder: Path, config: str, processes: int, seconds: float, random_: random.Random
) -> tuple[int, list[str]]:
    """Begin a run, kill all its processes within ``seconds``, and resume it to its end; see
    :func:`bench.kill.moments.kill_and_resume`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "c.yaml").write_text(config)
    code, _ = run(folder, processes, resume=False, kill_after=random_.uniform(0.3, 1.0) * seconds)
    killed = int(code == -signal.SIGKILL)
    if code == 0:
        return killed, []
    before = len((folder / "log").read_text())
    code, _ = run(folder, processes, resume=True)
    if code and NOTHING in (folder / "log").read_text()[before:]:
        code, _ = run(folder, processes, resume=False)
    return killed, [] if code == 0 else [f"exit code {code}: {(folder / 'log').read_text()[-800:]}"]


def _end_all(leader: int) -> None:
    """Kill the launcher's session; its children have groups of their own."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(leader).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
