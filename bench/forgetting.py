"""What SmolLM2-135M-Instruct forgets at 1, 10 and 100 times the inferred learning rate, all weights and LoRA; and which
share of replay rows is enough in a trial at 3 and 10 times.

It can be stopped and started again: runs whose figures are in the file of ``--json`` are not made again. The model is
the one in ``--real FOLDER`` (``real_material.py FOLDER smollm2`` builds it).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import ROOT, shared, show

COLUMNS = ("weights", "learning rate", "times", "validation loss", "answered", "general text", "KL answers", "KL task")
ORDER = (("full", 1), ("full", 100), ("lora", 1), ("lora", 100), ("full", 10), ("lora", 10))
"""Method and how often the inferred learning rate is taken, what says most first."""
STEPS, QUICK_STEPS = 60, 10
REPLAYED = (("full", 3), ("full", 10))
"""Method and how often the inferred learning rate is taken in the trials that are made with replay rows too."""
REPLAY_COLUMNS = (
    "weights",
    "times",
    "replay rows",
    "answered",
    "general text",
    "KL answers",
    "KL task",
    "held-out loss",
    "verdict",
)
REPLAY_MARKS = "<!-- replay -->", "<!-- end of replay -->"
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


def replayed(model: Path, method: str, times: float, steps: int) -> dict[str, Any]:
    """What `sanetune check` says of a trial at ``times`` the inferred learning rate, and of those with replay rows."""
    import sanetune

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        lr = sanetune.plan(sanetune.load(settings(model, out, method, steps))).steps.learning_rate * times
        values = settings(model, out, method, steps, lr)
        values["check"] = {"select": ["model-forgets"], "trial_steps": steps, "trial_eval_steps": steps}
        began = time.process_time()
        report = sanetune.check(sanetune.load(values), level="trial")
        (found,) = report.findings
        about = {"method": method, "times": times, "learning_rate": lr, "steps": steps}
        seconds = {"cpu_seconds": round(time.process_time() - began)}
        return about | seconds | {"verdict": found.verdict, "remedy": found.remedy, "numbers": found.numbers}


def replay_rows(one: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of a trial and of those with replay rows in the table."""
    n = one["numbers"]
    trials = [n | {"share": 0.0, "cost": None, "enough": one["verdict"] != "warn"}, *n.get("replay", [])]
    found = []
    for trial in trials:
        cost = (
            ""
            if trial["cost"] is None
            else f"{trial['cost']:+.3f} ({trial['cost_low']:+.3f} to {trial['cost_high']:+.3f})"
        )
        found.append(
            (
                {"full": "all", "lora": "LoRA"}[one["method"]],
                f"{one['times']:g}",
                f"{trial['share']:.0%}",
                f"{trial['base_answered'] - trial['no_longer']} of {trial['base_answered']}, {trial['gained']} gained",
                f"{trial['text_base']:.3f} → {trial['text_tuned']:.3f}",
                f"{trial['answers_kl']:.3f}",
                f"{trial['task_kl']:.3f}",
                cost,
                "pass" if trial["enough"] else "warn",
            )
        )
    return found


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


def table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lines as a table in Markdown."""
    head = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join([*head, *("| " + " | ".join(line) + " |" for line in lines)])


def written(text: str, marks: tuple[str, str], lines: str) -> str:
    """``text`` with ``lines`` between two marks."""
    before, rest = text.split(marks[0])
    return f"{before}{marks[0]}\n\n{lines}\n\n{marks[1]}{rest.split(marks[1])[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--real", type=Path, required=True, metavar="FOLDER", help="the folder that holds smollm2")
    parser.add_argument("--json", type=Path, metavar="F", help="read figures that are there from F, and write all to F")
    parser.add_argument("--quick", action="store_true", help="ten steps, two runs")
    parser.add_argument("--replay", action="store_true", help="only the trials with replay rows")
    parser.add_argument("--write", action="store_true", help="write the table into docs/forgetting.md")
    args = parser.parse_args()
    figures = json.loads(args.json.read_text()) if args.json and args.json.is_file() else {}
    os.environ.setdefault("SANETUNE_CACHE", str(Path(tempfile.gettempdir()) / "sanetune-bench-forgetting"))
    steps = QUICK_STEPS if args.quick else STEPS
    wanted = [] if args.replay else [(f"{method} x {times}", measure, method, times) for method, times in ORDER]
    wanted += [(f"replay {method} x {times}", replayed, method, times) for method, times in REPLAYED]
    for name, make, method, times in wanted[:2] if args.quick else wanted:
        if name not in figures:
            figures[name] = make(args.real / "smollm2", method, times, steps)
            if args.json:
                args.json.write_text(json.dumps(figures, indent=2) + "\n")
    runs = [one for name, one in sorted(figures.items()) if "verdict" in one and not name.startswith("replay")]
    trials = [one for name, one in sorted(figures.items()) if name.startswith("replay")]
    show("Forgetting", (*COLUMNS, "verdict"), [row(one) for one in runs], figures, args.json)
    lines = [line for one in trials for line in replay_rows(one)]
    show("Replay", REPLAY_COLUMNS, lines, figures, args.json)
    if args.write:
        text = PAGE.read_text()
        if runs:
            ordered = sorted(runs, key=lambda one: (one["method"], one["times"]))
            text = written(text, MARKS, table((*COLUMNS, "verdict"), [row(one) for one in ordered]))
        PAGE.write_text(written(text, REPLAY_MARKS, table(REPLAY_COLUMNS, lines)) if lines else text)


if __name__ == "__main__":
    main()
