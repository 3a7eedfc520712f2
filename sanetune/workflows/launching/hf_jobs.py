"""Hugging Face Jobs: an `hf jobs run` command (https://huggingface.co/docs/huggingface_hub/guides/jobs)."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import replace
from pathlib import Path

from sanetune import units
from sanetune.errors import ConfigError
from sanetune.workflows.launching.job import Job, quoted, script

WORKSPACE = Path("/workspace")
"""Where the configuration's folder is in the container."""
IMAGE = "pytorch/pytorch"


def written(job: Job) -> str:
    """Return a shell script with the command.

    Raises:
        ConfigError: It needs several machines, or a folder that the command cannot name.
    """
    if job.nodes > 1:
        raise ConfigError(
            f"hf-jobs runs on one machine, and {job.nodes} are asked for.",
            remedy="Leave --nodes out and take a flavor with more GPUs: `hf jobs hardware` lists them.",
        )
    if job.gpus and not job.device:
        raise ConfigError(
            "hf-jobs needs the name of the hardware.",
            remedy="Give it as --device, such as a100x4; `hf jobs hardware` lists them.",
        )
    flavor = re.search(r"x(\d+)$", job.device)
    if job.gpus and flavor and int(flavor[1]) != job.devices:
        raise ConfigError(
            f"The flavor {job.device} has {units.many(int(flavor[1]), 'GPU')}, and {job.devices} are asked for.",
            "The run is planned for as many processes as it has devices.",
            f"Set --devices {flavor[1]}, or take another flavor; `hf jobs hardware` lists them.",
        )
    if ":" in str(job.folder):
        raise ConfigError(
            f"The folder {job.folder} has a colon in its name.", remedy="hf cannot mount it: give it another name."
        )
    inside = f"cd {WORKSPACE}\n{job.pip}{script(replace(job, folder=WORKSPACE))}"
    words = ["hf", "jobs", "run", "--name", job.name, "--flavor", job.device or "cpu-upgrade"]
    words += ["--timeout", f"{math.ceil(job.hours * 60)}m"] if job.hours else []
    words += ["--secrets", "HF_TOKEN", "--volume", f"{job.folder}:{WORKSPACE}:rw"]
    words += [job.image or IMAGE, "bash", "-c"]
    # Options of the user's own, such as --dry-run, come before the image.
    return f'#!/bin/bash\n# {job.heading}\nexec {quoted(words[:3])} "$@" {quoted(words[3:])} {shlex.quote(inside)}\n'
