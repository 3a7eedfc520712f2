"""The command `sanetune doctor`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sanetune.cli import guarded, json_option, write_json


@click.command(name="doctor")
@json_option
@guarded
def command(json_file: Path | None) -> None:
    """Say what this machine can train with, and what is missing.

    Versions beside those that are needed, devices, number formats (each is tried), disk, trackers, optional extras; for
    what is missing the command that installs it. Nothing is downloaded or sent.

    Exit code 0: training can start, 1: something is broken.

    Example: sanetune doctor --json doctor.json
    """
    from sanetune.workflows.doctor.examine import examine

    found = examine()
    if str(json_file) != "-":
        from sanetune.report.terminal.doctor import show

        show(found)
    if json_file is not None:
        write_json(json_file, found.to_json())
    sys.exit(0 if found.is_sound else 1)
