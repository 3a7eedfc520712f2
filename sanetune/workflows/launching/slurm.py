"""Slurm: a script for sbatch (https://slurm.schedmd.com/sbatch.html)."""

from __future__ import annotations

from sanetune.workflows.launching.job import Job, quoted

GRACE = 180
"""Seconds before the time limit at which Slurm sends SIGTERM: enough to finish a step and write a checkpoint."""


def written(job: Job) -> str:
    """Return a script for ``sbatch`` in which each task is one process."""
    options = {
        "job-name": job.name,
        "nodes": str(job.nodes),
        "ntasks-per-node": str(job.devices),
        "gpus-per-node": str(job.devices) if job.gpus else "",
        "time": _time(job.hours),
        "output": "%x-%j.out",
        "signal": f"TERM@{GRACE}" if job.hours else "",
    }
    lines = ["#!/bin/bash", *(f"#SBATCH --{name}={value}" for name, value in options.items() if value)]
    lines += [f"# {job.heading}", "set -euo pipefail", f"cd {quoted([str(job.folder)])}"]
    if job.status is not None:
        lines += ["# The first node alone; a run that is not cleared ends here."]
        lines += [f"srun --nodes=1 --ntasks=1 --ntasks-per-node=1 {quoted(job.status)}"]
    return "\n".join([*lines, f"srun --kill-on-bad-exit=1 {quoted(job.train)}", ""])


def _time(hours: float | None) -> str:
    """
    >>> _time(1.5)
    '01:30:00'
    """
    minutes = round((hours or 0) * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:00" if minutes else ""
