"""What each of two processes runs in `test_rank_comparison.py`: FOLDER CASE...: sound launches, and faulty ones."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from safetensors.torch import load_file, save_file
from torch.nn.parallel import DistributedDataParallel
from transformers import TrainerCallback

from sanetune import api
from sanetune.engine import sharding
from sanetune.engine.trl.session import TrlSession
from sanetune.engine.trl.trainer import Trainer

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
RANK = int(os.environ["RANK"])


def settings(folder: Path, **given: Any) -> dict[str, Any]:
    train = {key: given.pop(key) for key in ("fsdp", "engine") if key in given}
    return {
        "model": {"name": str(DEMO / "model"), **given},
        "data": {"train": str(DEMO / "data/train.jsonl"), "max_examples": 24, "holdout": 0, "workers": 1},
        "train": {
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
            "learning_rate": 1e-3,
            "max_steps": 4,
            "use_cpu": True,
            **train,
        },
        "run": {"trackers": [], "output_dir": str(folder / "run"), "devices": 2},
    }


@contextlib.contextmanager
def same_rows() -> Iterator[None]:
    """A collator that takes the first rows of the data, whatever it is given."""
    build = Trainer.__init__

    def built(self: Trainer, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        collate, rows = self.data_collator, self.train_dataset
        self.data_collator = lambda given: collate([rows[number] for number in range(len(given))])

    with mock.patch.object(Trainer, "__init__", built):
        yield


@contextlib.contextmanager
def no_sum() -> Iterator[None]:
    """Gradients that stay those of each process."""
    build = DistributedDataParallel.__init__

    # Without annotations, which torch compares with its own.
    def own(state, bucket):  # type: ignore[no-untyped-def]
        future: torch.futures.Future[Any] = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    def built(self: DistributedDataParallel, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        self.register_comm_hook(None, own)

    with mock.patch.object(DistributedDataParallel, "__init__", built):
        yield


class _Disturbs(TrainerCallback):
    def on_train_begin(self, *args: Any, model: Any = None, **kwargs: Any) -> None:
        if RANK == 1:
            with torch.no_grad():
                next(weight for weight in model.parameters() if weight.requires_grad).mul_(1.05)


@contextlib.contextmanager
def other_weights() -> Iterator[None]:
    """Something that changes the weights of one process once they are the same on all."""
    build = Trainer.__init__

    def built(self: Trainer, *args: Any, **kwargs: Any) -> None:
        build(self, *args, **kwargs)
        self.add_callback(_Disturbs())

    with mock.patch.object(Trainer, "__init__", built):
        yield


@contextlib.contextmanager
def half_a_checkpoint() -> Iterator[None]:
    """A checkpoint with the first half of each weight, as if one of two shards was saved."""
    write = TrlSession.write_weights

    def written(self: TrlSession, folder: Path) -> bool:
        done = write(self, folder)
        if RANK == 0:
            (file,) = folder.glob("*.safetensors")
            halves = {name: weight[: max(1, len(weight) // 2)].clone() for name, weight in load_file(file).items()}
            save_file(halves, file)
        return done

    with mock.patch.object(TrlSession, "write_weights", written):
        yield


@contextlib.contextmanager
def own_shards() -> Iterator[None]:
    """A checkpoint with the shards of the main process (https://github.com/huggingface/accelerate/issues/4206)."""

    def local(weight: torch.Tensor) -> torch.Tensor:
        return weight.detach().to_local() if hasattr(weight, "to_local") else weight.detach()

    with mock.patch.object(sharding, "whole", local):
        yield


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "sound": (contextlib.nullcontext, {}),
    "sound adapter": (contextlib.nullcontext, {"adapter": "lora"}),
    "sound shards": (contextlib.nullcontext, {"adapter": "lora", "fsdp": True, "engine": "accelerate"}),
    "own shards": (own_shards, {"adapter": "lora", "fsdp": True}),
    "same rows": (same_rows, {}),
    "no sum": (no_sum, {}),
    "other weights": (other_weights, {}),
    "half a checkpoint": (half_a_checkpoint, {"adapter": "lora"}),
}


def main(folder: str) -> None:
    torch.set_num_threads(1)
    found = {}
    for name, (fault, given) in CASES.items():
        with fault():
            report = api.check(settings(Path(folder), **given), level="probe", select=["ranks"])
        found[name] = {one.check: [one.verdict.value, one.message, one.numbers] for one in report.findings}
    (Path(folder) / f"{RANK}.json").write_text(json.dumps(found))
