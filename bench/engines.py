"""Both engines make the same run: losses, gradient norms, learning rates, rows of each step and validation losses.

It can be stopped and started again: what is in the file of ``--json`` is not made again. The embedded model and, from
``../shared``, stories260k make 20 steps; the model in ``--model FOLDER`` (``real_material.py FOLDER smollm2`` builds
SmolLM2-135M-Instruct) makes 5.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import ROOT, shared, show

if TYPE_CHECKING:
    from sanetune.engine.metrics import Record

COLUMNS = ("model", "weights", "rows", "accumulated", "steps", "loss", "norm", "validation", "order")
MOST = 1e-5
"""Largest relative difference of losses and gradient norms: sums in another order."""


def settings(model: Path, out: Path, engine: str, cell: dict[str, Any]) -> dict[str, Any]:
    """A short run in 32 bits on real or demo rows, without anything that draws."""
    demo = model == ROOT / "sanetune/demo/model"
    rows = ROOT / "sanetune/demo/data/train.jsonl" if demo else shared() / "data/alpaca/instruction-data.json"
    small = model.name == "stories260k"
    lora = {"adapter": {"type": "lora", "dropout": 0.0}} if cell["weights"] == "LoRA" else {}
    template = {"chat_template": "chatml"} if small else {}
    return {
        "model": {"name": str(model), "dtype": "float32"} | lora | template,
        "data": {"train": str(rows), "max_examples": 60, "holdout": 0.1},
        "train": {
            "engine": engine,
            "max_steps": cell["steps"],
            "max_length": 384 if demo or small else 128,
            "packing": cell["rows"] == "packed",
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": cell["accumulated"],
            "learning_rate": 1e-3 if demo or small else 1e-5,
            "weight_decay": 0.01,
            "warmup_steps": 2,
            "logging_steps": 1,
            "eval_strategy": "steps",
            "eval_steps": cell["steps"],
            "save_strategy": "no",
            "load_best_model_at_end": False,
            "bf16": False,
            "use_cpu": True,
        },
        "check": {"watch": "off", "keep": "off"},
        "run": {"output_dir": str(out), "trackers": [], "samples": 0},
    }


def measured(model: Path, cell: dict[str, Any]) -> dict[str, Any]:
    """The largest differences of a run between the engines."""
    trl, ours = (made(model, engine, cell) for engine in ("trl", "accelerate"))
    first, last = (next(iter(r for r in some if r.kind == "train")).loss for some in (trl[0], trl[0][::-1]))
    return {
        **cell,
        "model": model.name if model.name != "model" else "embedded",
        "differences": differences(trl[0], ours[0]),
        "same_order": trl[1] == ours[1],
        "losses": [first, last],
    }


def differences(trl: Sequence[Record], other: Sequence[Record]) -> dict[str, float]:
    """The largest relative differences between the records of two runs, of the same steps with the same tokens."""
    found: dict[str, list[float]] = {"loss": [], "norm": [], "validation": []}
    for one, same in zip(trl, other, strict=True):
        assert (one.step, one.kind, one.learning_rate, one.tokens, one.loss_tokens) == (
            same.step, same.kind, same.learning_rate, same.tokens, same.loss_tokens,
        )  # fmt: skip
        found["loss" if one.kind == "train" else "validation"].append(abs(same.loss / one.loss - 1))
        if one.kind == "train":
            assert one.grad_norm > 0
            found["norm"].append(abs(same.grad_norm / one.grad_norm - 1))
    return {name: max(values) for name, values in found.items()}


def made(model: Path, engine: str, cell: dict[str, Any]) -> tuple[Any, list[tuple[int, ...]]]:
    """The records of a run, and the rows of each of its steps."""
    import sanetune
    from sanetune.engine import step_log

    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w", encoding="utf-8") as nothing:
        from rich.console import Console

        config = settings(model, Path(folder) / "run", engine, cell)
        trained = sanetune.train(config, unchecked="this bench compares two engines", console=Console(file=nothing))
        rows = [step.rows for step in step_log.read(step_log.files(trained.run.steps)[0])]
        return trained.outcome.records, rows


def row(one: dict[str, Any]) -> tuple[str, ...]:
    """The line of a cell in the table."""
    return (
        one["model"], one["weights"], one["rows"], str(one["accumulated"]), str(one["steps"]),
        *(f"{one['differences'][name]:.1e}" for name in ("loss", "norm", "validation")),
        "same" if one["same_order"] else "DIFFERS",
    )  # fmt: skip


def is_same(one: dict[str, Any]) -> bool:
    """Whether the engines made the same run, to the limit."""
    return bool(one["same_order"]) and max(one["differences"].values()) <= MOST


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F, and read those that are there")
    parser.add_argument("--quick", action="store_true", help="the embedded model alone, in 4 steps")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a real model, which makes 5 steps")
    given = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    models = [(ROOT / "sanetune/demo/model", 4 if given.quick else 20)]
    if not given.quick:
        models.append((shared() / "models/stories260k", 20))
    if given.model is not None:
        models.append((given.model, 5))
    figures: dict[str, Any] = json.loads(given.json.read_text()) if given.json and given.json.is_file() else {}
    for (model, steps), weights, rows, accumulated in itertools.product(
        models, ("all", "LoRA"), ("padded", "packed"), (1, 4)
    ):
        cell = {"weights": weights, "rows": rows, "accumulated": accumulated, "steps": steps}
        key = "/".join([model.name, *(str(value) for value in cell.values())])
        if key not in figures:
            figures[key] = measured(model, cell)
            if given.json:
                given.json.write_text(json.dumps(figures, indent=2) + "\n")
    same = sum(map(is_same, figures.values()))
    title = f"Largest relative differences between the engines; the same run in {same} of {len(figures)}"
    show(title, COLUMNS, [row(one) for one in figures.values()], figures, given.json)
    sys.exit(0 if same == len(figures) else 1)


if __name__ == "__main__":
    main()
