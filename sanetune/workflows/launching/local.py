"""This machine: a script for bash."""

from __future__ import annotations

from sanetune.errors import ConfigError
from sanetune.workflows.launching.job import Job, script


def written(job: Job) -> str:
    """Return a shell script that starts ``job`` on the machine that runs it.

    Raises:
        ConfigError: It needs several machines.
    """
    if job.nodes > 1:
        raise ConfigError(
            f"local is this machine alone, and {job.nodes} are asked for.",
            remedy="Leave --nodes out and give this machine's devices as --devices, or start it --on slurm.",
        )
    return f"#!/bin/bash\n# {job.heading}\n{script(job)}"
