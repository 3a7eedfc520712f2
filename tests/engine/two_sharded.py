"""What each of two processes runs in `test_two_sharded`: MODEL FOLDER. A model that FSDP2 divides, on both engines."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch.distributed as dist

from sanetune.config.schema import AdapterSection
from sanetune.runs import Run
from tests.engine.running import train
from tests.engine.two_processes import configured, prepared_rows

CASES: dict[str, dict[str, Any]] = {
    "trl adapter": {"adapter": "lora", "engine": "trl"},
    "accelerate": {"adapter": None, "engine": "accelerate"},
}


def settings(model: str, case: str, **given: Any) -> Any:
    config = configured(model, CASES[case]["engine"], max_steps=4, gradient_accumulation_steps=2, **given)
    if CASES[case]["adapter"]:
        config.model.adapter = AdapterSection(r=4, dropout=0)
    return config


def main(model: str, folder: str) -> None:
    prepared = prepared_rows(model)
    for case in CASES:
        run = Run(Path(folder) / case)
        train(settings(model, case, fsdp=True), prepared, run)
        if dist.get_rank() == 0:
            again = Run(Path(folder) / f"{case} again")
            shutil.copytree(run.path, again.path)
            shutil.rmtree(again.checkpoints / "checkpoint-4")
            shutil.rmtree(again.model)
        dist.barrier()
        train(settings(model, case, fsdp=True), prepared, Run(Path(folder) / f"{case} again"), resume=True)
