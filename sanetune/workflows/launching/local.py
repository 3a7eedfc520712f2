"""This machine: a script for bash."""

from __future__ import annotations

from sanetune.workflows.launching.job import Job, script


def written(job: Job) -> str:
    """Return a shell script that starts ``job`` on the machine that runs it."""
    return f"#!/bin/bash\n# {job.heading}\n{script(job)}"
