"""Kubeflow Trainer: a TrainJob (https://www.kubeflow.org/docs/components/trainer/)."""

from __future__ import annotations

from typing import Any

from sanetune.workflows.launching.job import Job, script
from sanetune.workflows.launching.yaml_text import yaml_text

RUNTIME = "torch-distributed"
"""The runtime for PyTorch that Kubeflow Trainer brings."""


def written(job: Job) -> str:
    """Return a TrainJob, whose pods each start the processes of one machine."""
    trainer: dict[str, Any] = {"numNodes": job.nodes, "numProcPerNode": job.devices}
    if job.image:
        trainer["image"] = job.image
    trainer |= {"command": ["bash", "-c"], "args": [script(job, "PET_NODE_RANK")]}
    if job.gpus:
        trainer["resourcesPerNode"] = {"limits": {"nvidia.com/gpu": job.devices}}
    tree = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": job.name},
        "spec": {"runtimeRef": {"name": RUNTIME}, "trainer": trainer},
    }
    return yaml_text(job.heading, tree)
