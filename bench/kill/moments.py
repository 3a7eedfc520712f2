"""Kill a run at one moment, resume it to its end, and compare it with the run that was never killed."""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from bench.kill import victim
from bench.kill.figures import differences

LONGEST = 900.0
"""Seconds that a process may take before it counts as hanging."""
FINISHED = "is finished"
NOTHING = "no checkpoint to go on from"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a run is killed: a share of the way through a phase, or right before a file operation.

    Attributes:
        phase: One of :data:`bench.kill.victim.PHASES`; "writing" for a file operation.
        at: Which occurrence of the phase, or which file operation, from 1.
        delay: Seconds after its beginning.
    """

    phase: str
    at: int
    delay: float = 0.0


@dataclass(slots=True)
class Followed:
    """What was seen of an undisturbed run.

    Attributes:
        begun: For each phase, the seconds after which it began, each time.
        file_operations: File operations on the run's folder.
        seconds: How long the run took.
    """

    begun: dict[str, list[float]]
    file_operations: int = 0
    seconds: float = 0.0


def undisturbed(folder: Path) -> Followed:
    """Make the run in ``folder`` without killing it."""
    followed = Followed({phase: [] for phase in victim.PHASES})
    code = _follow(folder, followed, resume=False)
    assert code == 0, (folder / "log").read_text()[-2000:]
    return followed


def draw(followed: Followed, random_: random.Random) -> Moment:
    """Return a random moment: half of them right before a file operation, the others anywhere in a random phase."""
    if random_.random() < 0.5:
        return Moment("writing", random_.randint(1, followed.file_operations))
    phase = random_.choice([phase for phase in victim.PHASES if followed.begun[phase]])
    at = random_.randrange(len(followed.begun[phase]))
    starts = sorted(start for many in followed.begun.values() for start in many)
    begun = followed.begun[phase][at]
    ends = next((start for start in starts if start > begun), followed.seconds)
    return Moment(phase, at + 1, random_.random() * (ends - begun))


def kill_and_resume(folder: Path, config: str, moments: list[Moment]) -> tuple[int, list[str]]:
    """Begin a run in ``folder``, kill it and each of its resumptions at ``moments``, and resume it to its end.

    Returns:
        How often it was killed (a resumed run may end before its moment comes), and what went wrong besides.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "c.yaml").write_text(config)
    killed, resume, faults = 0, False, list[str]()
    for moment in [*moments, None, None]:
        before = len((folder / "log").read_text()) if (folder / "log").exists() else 0
        code = _follow(folder, None, resume=resume, moment=moment)
        said = (folder / "log").read_text()[before:]
        if code == -signal.SIGKILL:
            killed += 1
        elif code == 0:
            return killed, faults
        elif resume and NOTHING in said:
            code = _follow(folder, None, resume=False)  # it was killed before its first checkpoint
            return killed, faults if code == 0 else [*faults, (folder / "log").read_text()[-500:]]
        elif resume and FINISHED in said:
            return killed, faults
        else:
            faults.append(f"exit code {code}: {said[-500:]}")
        resume = True
    return killed, faults


def compared(folder: Path, whole: Path) -> list[str]:
    """Return the files in which the run in ``folder`` differs from ``whole``."""
    return differences(folder / "run", whole / "run")


def _follow(folder: Path, followed: Followed | None, *, resume: bool, moment: Moment | None = None) -> int:
    """Run until its end or ``moment``; returns the exit code, negative for a signal."""
    read, write = os.pipe()
    operation = moment.at if moment is not None and moment.phase == "writing" else None
    began = time.monotonic()
    child = victim.fork(folder, resume=resume, report=write, die_at=operation)
    os.close(write)
    kill = _Killer(child, moment if operation is None else None)
    try:
        while time.monotonic() - began < LONGEST:
            kill.when_due()
            if not select.select([read], [], [], kill.wait())[0]:
                continue
            if not (data := os.read(read, 4096)):
                break
            for byte in data:
                if byte == 255:
                    if followed is not None:
                        followed.file_operations += 1
                    continue
                if followed is not None:
                    followed.begun[victim.PHASES[byte]].append(time.monotonic() - began)
                kill.saw(victim.PHASES[byte])
    finally:
        os.close(read)
        if time.monotonic() - began >= LONGEST:
            _end(child)
    status = os.waitpid(child, 0)[1]
    _end(child)
    if followed is not None:
        followed.seconds = time.monotonic() - began
    return os.waitstatus_to_exitcode(status)


class _Killer:
    """Kills a process some time after it has reported a phase so many times."""

    def __init__(self, child: int, moment: Moment | None) -> None:
        self._child, self._moment, self._seen, self._due = child, moment, 0, float("inf")

    def saw(self, phase: str) -> None:
        if self._moment is None or phase != self._moment.phase:
            return
        self._seen += 1
        if self._seen == self._moment.at:
            self._due = time.monotonic() + self._moment.delay
            self.when_due()

    def when_due(self) -> None:
        if time.monotonic() >= self._due:
            self._due = float("inf")
            _end(self._child)

    def wait(self) -> float:
        return max(0.0, min(1.0, self._due - time.monotonic()))


def _end(child: int) -> None:
    """Kill the process and all that it has started; they are a group of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
