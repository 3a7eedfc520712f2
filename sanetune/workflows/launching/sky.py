"""SkyPilot: a task (https://docs.skypilot.co/en/latest/reference/yaml-spec.html)."""

from __future__ import annotations

from typing import Any

from sanetune.workflows.launching.job import Job, script
from sanetune.workflows.launching.yaml_text import yaml_text


def written(job: Job) -> str:
    """Return the YAML of a task; the configuration's folder is what it uploads."""
    resources: dict[str, Any] = {}
    if job.gpus:
        resources["accelerators"] = f"{job.device}:{job.devices}"
    if job.image:
        resources["image_id"] = f"docker:{job.image}"
    # It begins in the folder that it has uploaded.
    run = script(job, "SKYPILOT_NODE_RANK", there=True)
    task: dict[str, Any] = {"name": job.name, "num_nodes": job.nodes, "workdir": str(job.folder)}
    task |= {"resources": resources} if resources else {}
    task |= {"setup": job.pip, "run": run}
    return yaml_text(job.heading, task)
