"""Small set-ups whose best learning rate is known by a grid, and broken starts on them for `bench.correct`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import ROOT, shared

ROWS, TESTED = 320, 100
"""Rows that a run has, a share of which it holds out; and rows that no run sees, on which all are compared."""
CHECK = {"trial_steps": 40, "trial_eval_steps": 20, "samples": 4, "overfit_examples": 8}
"""The protocol, shortened as the runs are."""
TRAIN: dict[str, Any] = {
    "use_cpu": True,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "num_train_epochs": 1.5,
    "warmup_steps": 0.05,
    "max_grad_norm": 1.0,
    "logging_steps": 8,
    "eval_strategy": "steps",
    "eval_steps": 32,
    "save_steps": 32,
}
MARKS = ["<|im_end|>", "<|im_start|>"]

Changes = dict[str, Any]
Settings = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Setup:
    """A sound configuration but for its learning rate; ``rates``: learning rates of the grid; ``test``: a file of rows
    that no run sees."""

    name: str
    sound: Settings
    lrs: list[float]
    test: Path

    def settings(self, changes: Changes, out: Path) -> Settings:
        """The sound configuration with ``section.key`` changed (None: taken out), for a run in ``out``."""
        found = {section: dict(values) for section, values in self.sound.items()}
        for key, value in {**changes, "run.output_dir": str(out)}.items():
            section, _, name = key.partition(".")
            if value is None:
                found[section].pop(name, None)
            else:
                found[section][name] = value
        return found


def setups(folder: Path) -> dict[str, Setup]:
    """All set-ups by name, their rows written into ``folder``."""
    embedded = ROOT / "sanetune/demo"
    demo = _files(
        folder, "demo", _lines(embedded / "data/train.jsonl", 420), _lines(embedded / "data/validation.jsonl", 500)
    )
    rows = json.loads((shared() / "data/alpaca/instruction-data.json").read_text())
    short = [row for row in rows if len(json.dumps(row, ensure_ascii=False)) <= 180]
    alpaca = _files(folder, "alpaca", short[TESTED:], short[:TESTED])
    model = {"name": str(embedded / "model")}
    stories = {"name": str(shared() / "models/stories260k"), "chat_template": "chatml"}
    lora = {"type": "lora", "r": 16, "alpha": 32, "tokens": MARKS}
    return {
        "stories": Setup("stories", _sound(stories, alpaca[0]), grid(-3.667, -1.667), alpaca[1]),
        "demo": Setup("demo", _sound(model, demo[0]), grid(-4.0, -2.0), demo[1]),
        "lora": Setup("lora", _sound({**model, "adapter": lora}, demo[0]), grid(-3.0, -1.667), demo[1]),
    }


def grid(low: float, high: float) -> list[float]:
    """Learning rates a third of a decade apart, from 10^low to 10^high."""
    return [float(f"{10 ** (low + step / 3):.2e}") for step in range(round((high - low) * 3) + 1)]


def _sound(model: dict[str, Any], train: Path) -> Settings:
    return {
        "model": model,
        "data": {"train": str(train), "holdout": 0.2, "workers": 1},
        "train": dict(TRAIN),
        "check": dict(CHECK),
        "run": {"trackers": []},
    }


def _lines(file: Path, most: int = 10**6) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if len(line) <= most]


def _files(folder: Path, name: str, train: list[Any], test: list[Any]) -> tuple[Path, Path]:
    files = folder / f"{name}.jsonl", folder / f"{name}-test.jsonl"
    for file, rows in zip(files, (train[:ROWS], test[:TESTED]), strict=True):
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return files


@dataclass(frozen=True, slots=True)
class Start:
    """A broken configuration: ``times`` the best learning rate of the grid (None: the learning rate of ``changes``)."""

    name: str
    setup: str
    kind: str
    times: float | None = 1.0
    changes: Changes = field(default_factory=dict)

    def broken(self, best: float) -> Changes:
        lr = {} if self.times is None else {"train.learning_rate": float(f"{best * self.times:.3g}")}
        return lr | self.changes


SOUND = "sound"
"""The kind of the starts in which nothing is broken: they have to be cleared as they are."""

NO_EVALUATION: Changes = {"data.holdout": 0.0, "train.eval_strategy": None, "train.eval_steps": None}
UNASKED: Changes = {"train.eval_strategy": "no"}
LONG_WARMUP: Changes = {"train.warmup_steps": 1000}
NO_CLIPPING: Changes = {"train.max_grad_norm": 0.0}
HUGE_BATCH: Changes = {"train.gradient_accumulation_steps": 256}
FAR: Changes = {"train.eval_strategy": "steps", "train.eval_steps": 5000, "train.save_steps": 5000}
NO_BEST: Changes = {"train.load_best_model_at_end": True, "train.metric_for_best_model": "eval_accuracy"}
WRONG_WAY: Changes = {
    "train.load_best_model_at_end": True,
    "train.metric_for_best_model": "eval_loss",
    "train.greater_is_better": True,
}
BF16: Changes = {"model.dtype": "bfloat16"}
FP16: Changes = {"train.fp16": True}
OLD: Changes = {
    "train.evaluation_strategy": "no",
    "train.warmup_ratio": 0.05,
    "train.no_cuda": True,
    "train.use_cpu": None,
    "train.eval_strategy": None,
}


def cut(length: int, how: str) -> Changes:
    return {"train.max_length": length, "data.overlong": how}


def starts() -> list[Start]:
    """All broken starts; kinds and set-ups by turns, so that a part of them is a fair one."""
    lrs = [
        Start(f"learning rate x{times:g}" if times > 1 else f"learning rate /{1 / times:.0f}", name, "rate", times)
        for times in (10, 1 / 30, 100, 1 / 100, 30)
        for name in ("stories", "demo", "lora")
    ]
    others = [
        Start("bf16 weights, learning rate /30", "stories", "precision", 1 / 30, BF16),
        Start("fp16 on a CPU", "demo", "precision", 1, FP16),
        Start("no evaluation", "stories", "evaluation", 1, UNASKED),
        Start("max_length 64, cut", "demo", "length", 1, cut(64, "cut")),
        Start("warm-up beyond the run", "stories", "warm-up", 1, LONG_WARMUP),
        Start("no clipping, learning rate x30", "stories", "clipping", 30, NO_CLIPPING),
        Start("best by a metric nobody computes", "demo", "best model", 1, NO_BEST),
        Start("batch larger than the data", "stories", "batch", 1, HUGE_BATCH),
        Start("old key names, no evaluation", "stories", "old keys", 1, OLD),
        Start("intervals beyond the end", "demo", "evaluation", 1, FAR),
        Start("tokens of the template not trained", "lora", "adapter", 1, {"model.adapter": {"type": "lora"}}),
        Start("x100, nothing held out, cut", "demo", "several", 100, NO_EVALUATION | cut(80, "cut")),
        Start("bf16 weights, /30, long warm-up", "stories", "several", 1 / 30, BF16 | LONG_WARMUP),
        Start("x30, no clipping, nothing held out", "stories", "several", 30, NO_CLIPPING | NO_EVALUATION),
        Start("nothing held out", "lora", "evaluation", 1, NO_EVALUATION),
        Start("max_length 48, drop", "stories", "length", 1, cut(48, "drop")),
        Start("largest loss is best", "stories", "best model", 1, WRONG_WAY),
        Start("no chat template", "stories", "template", 1, {"model.chat_template": None}),
        Start("x10, intervals beyond the end", "lora", "several", 10, FAR),
        Start("x10, batch larger than the data", "demo", "several", 10, HUGE_BATCH),
        Start("fp16 on a CPU, x10", "stories", "several", 10, FP16),
        Start("x100, long warm-up", "stories", "several", 100, LONG_WARMUP),
        Start("best model asked for, nothing held out", "demo", "best model", 1, NO_EVALUATION | NO_BEST),
        Start("no clipping, learning rate x30", "demo", "clipping", 30, NO_CLIPPING),
        Start("max_length 48, cut", "stories", "length", 1, cut(48, "cut")),
    ]
    mixed = [Start("nothing is broken", name, SOUND) for name in ("stories", "demo", "lora")]
    for number in range(max(len(lrs), len(others))):
        mixed += lrs[number : number + 1] + others[2 * number : 2 * number + 2]
    return sorted(mixed, key=lambda one: one.setup == "lora")  # the slowest last
