"""What SmolLM2-135M-Instruct forgets at 1, 10 and 100 times the inferred learning rate, all weights and LoRA.

It can be stopped and started again: runs whose figures are in the file of ``--json`` are not made again. The model is
the one in ``--real FOLDER`` (``real_material.py FOLDER smollm2`` builds it).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from bench.figures import ROOT, shared, show

COLUMNS = ("weights", "learning rate", "times", "validation loss", "answered", "general text", "KL answers", "KL task")
ORDER = (("full", 1), ("full", 100), ("lora", 1), ("lora", 100), ("full", 10), ("lora", 10))
"""Method and how often the inferred learning rate is taken, what says most first."""
STEPS, QUICK_STEPS = 60, 10
PAGE = ROOT / "docs/forgetting.md"
MARKS = "<!-- figures -->", "<!-- end of figures -->"


def settings(model: Path, out: Path, method: str, steps: int, lr: float | None = None) -> dict[str, Any]:
    """A run on short rows of alpaca."""
    train: dict[str, Any] = {
        "max_steps": steps,
        "max_length": 128,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
        "bf16": True,
        "use_cpu": True,
    }
    return {
        "model": {"name": str(model), "dtype": "float32"} | ({"adapter": "lora"} if method == "lora" else {}),
        "data": {"train": str(shared() / "data/alpaca/instruction-data.json"), "max_examples": 400, "holdout": 0.05},
        "train": train | ({"learning_rate": lr} if lr else {}),
        # What a hot run forgets is to be seen, so the watch lets it go on.
        "check": {"watch": "off"},
        "run": {"output_dir": str(out), "trackers": []},
    }


def measure(model: Path, method: str, times: int, steps: int) -> dict[str, Any]:
    """The figures of one run."""
    import sanetune

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        planned = sanetune.plan(sanetune.load(settings(model, out, method, steps)))
        lr = planned.steps.learning_rate * times
        trained = sanetune.train(settings(model, out, method, steps, lr), unchecked="this bench measures forgetting")
        found = trained.run.read_json(trained.run.forgetting)
        comparison = trained.comparison
        assert comparison is not None
        return {
            "method": method,
            "times": times,
            "learning_rate": lr,
            "steps": trained.outcome.steps,
            "seconds": trained.outcome.seconds,
            "validation_loss": [comparison.base_loss, comparison.tuned_loss],
            "verdict": found["finding"]["verdict"],
            "message": found["finding"]["message"],
            "numbers": found["finding"]["evidence"],
        }


def row(one: dict[str, Any]) -> tuple[str, ...]:
    """The line of a run in the table."""
    n = one["numbers"]
    before, after = one["validation_loss"]
    return (
        {"full": "all", "lora": "LoRA"}[one["method"]],
        f"{one['learning_rate']:.1e}",
        str(one["times"]),
        f"{before:.3f} → {after:.3f}",
        f"{n['base_answered'] - n['no_longer']} of {n['base_answered']}, {n['gained']} gained",
        f"{n['text_base']:.3f} → {n['text_tuned']:.3f}",
        f"{n['answers_kl']:.3f}",
        f"{n['task_kl']:.3f}",
        one["verdict"],
    )


def table(figures: dict[str, dict[str, Any]]) -> str:
    """The figures as Markdown."""
    lines = ["| " + " | ".join((*COLUMNS, "verdict")) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    ordered = sorted(figures.values(), key=lambda one: (one["method"], one["times"]))
    return "\n".join([*lines, *("| " + " | ".join(row(one)) + " |" for one in ordered)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--real", type=Path, required=True, metavar="FOLDER", help="the folder that holds smollm2")
    parser.add_argument("--json", type=Path, metavar="F", help="read figures that are there from F, and write all to F")
    parser.add_argument("--quick", action="store_true", help="ten steps, two runs")
    parser.add_argument("--write", action="store_true", help="write the table into docs/forgetting.md")
    args = parser.parse_args()
    figures = json.loads(args.json.read_text()) if args.json and args.json.is_file() else {}
    os.environ.setdefault("SANETUNE_CACHE", str(Path(tempfile.gettempdir()) / "sanetune-bench-forgetting"))
    for method, times in ORDER[:2] if args.quick else ORDER:
        name = f"{method} x {times}"
        if name not in figures:
            figures[name] = measure(args.real / "smollm2", method, times, QUICK_STEPS if args.quick else STEPS)
            if args.json:
                args.json.write_text(json.dumps(figures, indent=2) + "\n")
    show("Forgetting", (*COLUMNS, "verdict"), [row(one) for one in figures.values()], figures, args.json)
    if args.write:
        before, rest = PAGE.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        PAGE.write_text(f"{before}{MARKS[0]}\n\n{table(figures)}\n\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
