"""Ray Train: a Python program (https://docs.ray.io/en/latest/train/train.html)."""

from __future__ import annotations

from sanetune.workflows.launching.job import Job

PROGRAM = '''\
# {heading}
"""Starts {name} on a Ray cluster: ray job submit --working-dir . -- python, and the name of this file."""

import os
import subprocess

from ray.train import ScalingConfig
from ray.train.torch import TorchTrainer

FOLDER = {folder!r}
STATUS = {status!r}
TRAIN = {train!r}


def rank() -> None:
    """One process of the run. Ray has set RANK, WORLD_SIZE, LOCAL_RANK and where the processes meet."""
    # The port itself is taken by Ray's own process group; a signal reaches a process of its own alone.
    environment = os.environ | {{"MASTER_PORT": str(int(os.environ["MASTER_PORT"]) + 1)}}
    subprocess.run(TRAIN, cwd=FOLDER, env=environment, check=True)


if __name__ == "__main__":
    if STATUS and (code := subprocess.run(STATUS, cwd=FOLDER).returncode):
        raise SystemExit(code)
    scaling = ScalingConfig(num_workers={workers}, use_gpu={gpus})
    TorchTrainer(rank, scaling_config=scaling).fit()
'''


def written(job: Job) -> str:
    """Return a program that checks the clearance on the head node and starts one worker for each device."""
    return PROGRAM.format(
        heading=job.heading,
        name=job.name,
        folder=str(job.folder),
        status=job.status,
        train=job.train,
        workers=job.nodes * job.devices,
        gpus=job.gpus,
    )
