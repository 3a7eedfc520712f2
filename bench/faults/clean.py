"""Clean runs: nothing is wrong with them, and whatever the gate says against one is a false alarm."""

from __future__ import annotations

from typing import Any, NamedTuple


class Clean(NamedTuple):
    """One clean run: the set-up, the kind of trainer ("" = sanetune's own), and what is changed in it."""

    name: str
    kind: str = ""
    changes: dict[str, Any] = {}  # noqa: RUF012 -- never changed

    @property
    def title(self) -> str:
        """For tables: ``stories-alpaca, train.packing=True``."""
        said = [f"{key}={value}" for key, value in self.changes.items()]
        return ", ".join([f"{self.name}/{self.kind}" if self.kind else self.name, *said])


EVERY = (
    "demo-demo",
    "stories-alpaca",
    "stories-sharegpt",
    "stories-gsm8k",
    "qwen3-alpaca",
    "qwen3-drone",
    "qwen3-airline",
    "llama3-alpaca",
    "llama3-sharegpt",
    "llama3-gsm8k",
    "llama3-demo",
    "gemma-alpaca",
    "gemma-gsm8k",
    "minimind-alpaca",
    "minimind-sharegpt",
    "minimind-drone",
    "minimind-airline",
    "minimind-demo",
)
SHORT = ("demo-demo", "stories-alpaca", "llama3-sharegpt", "gemma-gsm8k", "minimind-alpaca")
PACKED = {"train.packing": True, "train.max_length": 320, "train.per_device_train_batch_size": 1}
"""Packs of a few rows, so that there are steps enough."""
PACKED_TRL = {"packing": True, "max_length": 320, "per_device_train_batch_size": 1}
MARKED = ("demo-demo", "stories-alpaca", "stories-sharegpt", "llama3-alpaca", "llama3-sharegpt", "gemma-gsm8k")
"""Templates that TRL has markers for, or to which ours have been added."""


def runs() -> list[Clean]:
    """All clean runs; the first of each group stand for it in a quick one."""
    lora = {"model.adapter": "lora"}
    found = [Clean(name) for name in EVERY]
    found += [Clean(name, "", lora) for name in EVERY[::2]]
    found += [Clean(name, "", PACKED | {"train.num_train_epochs": 4}) for name in SHORT]
    found += [Clean(name, "", PACKED | lora | {"train.num_train_epochs": 4}) for name in SHORT[1:4]]
    found += [Clean(name, "", {"data.loss_on": meant}) for name in SHORT for meant in ("last", "all")]
    found += [
        Clean(name, "", {"train.seed": seed, "data.seed": seed, "data.holdout": 0.25})
        for seed in (1, 2)
        for name in SHORT
    ]
    found += [Clean(name, "", {"train.max_length": length}) for name, length in zip(SHORT, LENGTHS, strict=True)]
    found += [Clean(name, "plain") for name in SHORT]
    found += [Clean(name, "rows") for name in SHORT]
    found += [Clean(name, "messages") for name in MARKED]
    found += [Clean(name, "messages", PACKED_TRL | {"num_train_epochs": 4}) for name in MARKED[:4]]
    found += [Clean(name, "prompt") for name in ("demo-demo", "stories-alpaca", "gemma-gsm8k", "llama3-sharegpt")]
    found += [Clean(name, "messages", {"padding_free": True, "max_length": None}) for name in MARKED[3:]]
    return found


LENGTHS = (400, 256, 512, 1024, 2048)
"""A max_length for each of SHORT, none below its longest row."""


def quick() -> list[Clean]:
    """One of each kind."""
    chosen: dict[tuple[str, ...], Clean] = {}
    for run in runs():
        chosen.setdefault((run.kind, *run.changes), run)
    return list(chosen.values())
