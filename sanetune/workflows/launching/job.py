"""What is to be started, whatever starts it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

HEADING = "Written by sanetune launch: {command}"


@dataclass(frozen=True, slots=True)
class Job:
    """A run on one or several machines.

    Attributes:
        name: Lower-case letters, digits and hyphens.
        folder: Where the configuration is on the machines.
        words: The configuration's file and the overrides, as they follow a command.
        nodes: Machines.
        devices: Processes on each, one for each device.
        gpus: Whether these are GPUs.
        device: Kind of the device, as the cloud calls it; "": not given.
        hours: Most hours; None: no limit.
        image: Container image; "": not given.
        resume: Whether the run goes on from its last checkpoint.
        unchecked: The reason to train without a clearance; None: with one.
        install: What pip installs sanetune from, where the machine has none.
        command: The command line that asked for it.
    """

    name: str
    folder: Path
    words: tuple[str, ...]
    nodes: int = 1
    devices: int = 1
    gpus: bool = True
    device: str = ""
    hours: float | None = None
    image: str = ""
    resume: bool = False
    unchecked: str | None = None
    install: str = "sanetune"
    command: str = ""

    @property
    def status(self) -> list[str] | None:
        """The command that the first machine has to pass before the processes start; None: it was waived."""
        return None if self.unchecked is not None else ["sanetune", "clearance", "status", *self.words]

    @property
    def train(self) -> list[str]:
        """The command of each process, or of each machine."""
        more = ["--resume"] if self.resume else []
        more += ["--unchecked", self.unchecked] if self.unchecked is not None else []
        return ["sanetune", "train", *self.words, *more]

    @property
    def pip(self) -> str:
        """The line that installs sanetune, under one that says what has to be there."""
        return f"# sanetune is on no package index: see --install.\n{quoted(['pip', 'install', self.install])}\n"

    @property
    def heading(self) -> str:
        """A line for a comment: control characters would end it."""
        return HEADING.format(command=re.sub(r"[^\x20-\x7e]", "?", self.command))


def slug(text: str) -> str:
    """Return ``text`` as a name that every scheduler takes: at most 40 letters, digits and hyphens, a letter first.

    >>> slug("Support bot, 2nd try"), slug("7B"), slug("$(rm -rf ~)")
    ('support-bot-2nd-try', 'run-7b', 'rm-rf')
    """
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return (plain if re.match(r"[a-z]", plain) else f"run-{plain}")[:40].strip("-")


def quoted(words: list[str]) -> str:
    """Return ``words`` as bash reads them back, in one line: a line of its own could be a directive of sbatch.

    >>> print(quoted(["echo", "it's", "two\\nlines"]))
    echo 'it'"'"'s' $'two\\x0alines'
    """
    return " ".join(map(_word, words))


def _word(text: str) -> str:
    if text.isprintable():
        return shlex.quote(text)
    plain = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(one if one.isprintable() else _escape(ord(one)) for one in plain) + "'"


def _escape(number: int) -> str:
    return f"\\x{number:02x}" if number < 128 else f"\\U{number:08x}"


def script(job: Job, rank: str = "", *, there: bool = False) -> str:
    """Return a shell script that each machine runs.

    Args:
        job: What it starts.
        rank: The variable that tells the first machine; "": there is one.
        there: Whether it begins in the configuration's folder.
    """
    lines = ["set -eu"] if there else ["set -eu", f"cd {quoted([str(job.folder)])}"]
    if job.status is not None:
        first = quoted(job.status)
        lines += [f'if [ "${{{rank}:-0}}" = 0 ]; then', f"  {first}", "fi"] if rank else [first]
    return "\n".join([*lines, f"exec {quoted(job.train)}", ""])
