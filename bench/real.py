"""Whole runs on real data: stories260k, a Qwen3 shape on tool calls, SmolLM2-135M's shape packed in two dtypes.

It can be stopped and started again: runs whose figures are in the file of ``--json`` are not made again. Exits with 1
and names the runs where the loss does not fall, a gradient norm is 0, or the saved model is another.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import options, shared, show

COLUMNS = ("run", "steps", "tokens/s", "train loss", "validation loss", "gradient norm", "reload difference")


def runs(quick: bool, folder: Path) -> Iterator[tuple[str, Any]]:
    """(name, configuration) of each run."""
    from tests import real

    where, steps, rows = shared(), 20 if quick else 100, 200 if quick else None
    every = {"eval_strategy": "steps", "eval_steps": steps // 2, "save_steps": steps // 2, "max_steps": steps}
    for name, file in real.STORIES.items():
        for adapter in (None, "lora"):
            if quick and (name != "alpaca"):
                continue
            keys = {"chat_template": "chatml"} | ({"adapter": adapter} if adapter else {})
            data = {"train": file} | ({"max_examples": rows} if rows else {})
            out = folder / f"{name}-{adapter}"
            model = where / "models/stories260k"
            yield f"stories260k, {name}, {adapter or 'full'}", real.config(where, model, data, out, every, **keys)
    model = real.qwen3(where, folder / "qwen3")
    small = {
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "max_length": 8192,
        "learning_rate": 5e-3,
    }
    for name, data in real.TOOLS.items():
        if quick and name == "airline":
            continue
        # A vocabulary of 100,278 makes each step cost seconds on a CPU, whatever the model's size.
        steps = 6 if name == "airline" else 10 if quick else 20
        train = every | small | {"max_steps": steps, "eval_steps": steps // 2, "save_steps": steps // 2}
        yield f"Qwen3 shape, {name}", real.config(where, model, data | {"max_examples": 60}, folder / name, train)
    if quick:
        return
    model = real.smollm2(where, folder / "smollm2")
    packed = {"max_steps": 5, "max_length": 512, "packing": True, "per_device_train_batch_size": 1}
    packed |= {"gradient_accumulation_steps": 1, "learning_rate": 1e-3, "eval_strategy": "no", "save_strategy": "no"}
    for dtype in ("float32", "bfloat16"):
        data = {"train": real.STORIES["alpaca"], "max_examples": 200, "holdout": 0}
        yield f"SmolLM2-135M shape, {dtype}", real.config(where, model, data, folder / dtype, packed, dtype=dtype)


def measure(settings: Any) -> dict[str, Any]:
    """The figures of one run, and whether they are what they should be."""
    import sanetune
    from tests.real import reload_difference

    trained = sanetune.train(settings, unchecked="this bench measures the training itself")
    records = [record for record in trained.outcome.records if record.kind == "train"]
    comparison = trained.comparison
    assert comparison is not None
    figures = {
        "steps": trained.outcome.steps,
        "seconds": trained.outcome.seconds,
        "tokens_per_second": trained.outcome.tokens / trained.outcome.seconds,
        "train_loss": [records[0].loss, records[-1].loss],
        "validation_loss": [comparison.base_loss, comparison.tuned_loss],
        "gradient_norm": min(record.grad_norm or 0.0 for record in records),
        "reload_difference": reload_difference(trained),
    }
    losses = figures["validation_loss"] if comparison.base_loss is not None else figures["train_loss"]
    tolerance = 0.1 if settings["model"].get("dtype") == "bfloat16" else 1e-4
    figures["ok"] = losses[1] < losses[0] and figures["gradient_norm"] > 0 and figures["reload_difference"] < tolerance
    return figures


def row(title: str, one: dict[str, Any]) -> tuple[Any, ...]:
    """The line of a run in the table."""
    pairs = [
        " → ".join("-" if x is None else f"{x:.3f}" for x in one[key]) for key in ("train_loss", "validation_loss")
    ]
    last = (f"{one['gradient_norm']:.3g}", f"{one['reload_difference']:.1g}")
    return (title, one["steps"], f"{one['tokens_per_second']:,.0f}", *pairs, *last)


def main() -> None:
    args = options(__doc__)
    figures = json.loads(args.json.read_text()) if args.json and args.json.is_file() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["SANETUNE_CACHE"] = str(folder / "cache")
        for title, settings in runs(args.quick, folder):
            if title not in figures:
                figures[title] = measure(settings)
                if args.json:
                    args.json.write_text(json.dumps(figures, indent=2) + "\n")
    show("Whole runs on real data", COLUMNS, [row(*one) for one in figures.items()], figures, args.json)
    if wrong := [title for title, one in figures.items() if not one["ok"]]:
        sys.exit("not as it should be: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
