"""What each of two processes runs in `test_two_processes_try_the_run_as_one_does`: FOLDER BATCH."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from sanetune import api

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"


def settings(folder: Path, per_device: int) -> dict[str, Any]:
    together = {"ddp_backend": "gloo"} if "WORLD_SIZE" in os.environ else {}
    return {
        "model": {"name": str(DEMO / "model")},
        "data": {"train": str(DEMO / "data/train.jsonl"), "max_examples": 32, "holdout": 0.2, "workers": 1},
        "train": {
            "per_device_train_batch_size": per_device,
            "learning_rate": 1e-3,
            "max_steps": 6,
            "max_length": 160,
            "use_cpu": True,
            "train_sampling_strategy": "sequential",
            # A last batch that does not come out even would be filled with rows of the first one.
            "dataloader_drop_last": True,
            **together,
        },
        "check": {"samples": 0, "trial_eval_steps": 3},
        "run": {"trackers": [], "output_dir": str(folder / "run")},
    }


def main(folder: str, per_device: str) -> None:
    torch.set_num_threads(1)
    report = api.check(
        settings(Path(folder), int(per_device)), level="trial", select=["curve-nan", "model-rate-critical"]
    )
    if os.environ.get("RANK", "0") == "0":
        found = {"trial": report.experiments.get("trial"), "said": [one.message for one in report.findings]}
        (Path(folder) / f"{per_device}.json").write_text(json.dumps(found))
