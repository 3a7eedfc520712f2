"""What SmolLM2-135M-Instruct forgets at 1, 10 and 100 times the inferred learning rate, all weights and LoRA; and which
share of replay rows is enough in trials at a tenth of it to three times.

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
STORIES = "stories260k"
KEPT_STORIES, OTHER_STORIES = 20, 60
REPLAYED = (("full", 0.1), ("full", 0.3), ("full", 1), ("full", 3))
"""Method and how often the inferred learning rate is taken in the trials that are made with replay rows too."""
REPLAY_COLUMNS = (
    "model",
    "times",
    "steps",
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
    template = {"chat_template": "chatml"} if model.name == STORIES else {}
    return {
        "model": {"name": str(model), "dtype": "float32", **template}
        | ({"adapter": "lora"} if method == "lora" else {}),
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


def own_stories(model: Path, folder: Path) -> tuple[Path, Path]:
    """Stories that a model of stories writes, as two files: what it has to keep, and others to be replayed."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model)
    begin = torch.full((KEPT_STORIES + OTHER_STORIES, 1), tokenizer.bos_token_id)
    options = {"do_sample": True, "temperature": 0.9, "max_new_tokens": 120, "pad_token_id": tokenizer.bos_token_id}
    written = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).generate(begin, **options)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in written]
    files = folder / "keep.jsonl", folder / "replay.jsonl"
    for file, some in zip(files, (texts[:KEPT_STORIES], texts[KEPT_STORIES:]), strict=True):
        file.write_text("".join(json.dumps({"text": text}) + "\n" for text in some))
    return files


def replayed(model: Path, method: str, times: float, steps: int) -> dict[str, Any]:
    """What `sanetune check` says of a trial at ``times`` the inferred learning rate, and of those with replay rows.

    A model of stories alone has to keep stories of its own, and is replayed others.
    """
    import sanetune

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        lr = sanetune.plan(sanetune.load(settings(model, out, method, steps))).steps.learning_rate * times
        values = settings(model, out, method, steps, lr)
        values["check"] = {"select": ["model-forgets"], "trial_steps": steps, "trial_eval_steps": steps, "samples": 0}
        if model.name == STORIES:
            keep, replay = own_stories(model, Path(folder))
            values["check"]["keep"], values["data"]["replay"] = str(keep), {"path": str(replay), "share": 0.0}
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
        kept = trial["base_answered"] - trial["no_longer"]
        answered = f"{kept} of {trial['base_answered']}, {trial['gained']} gained"
        found.append(
            (
                one["model"],
                f"{one['times']:g}",
                str(one["steps"]),
                f"{trial['share']:.0%}",
                answered if trial["base_answered"] else "-",
                f"{trial['text_base']:.3f} → {trial['text_tuned']:.3f}",
                *("-" if trial[kl] is None else f"{trial[kl]:.3f}" for kl in ("answers_kl", "task_kl")),
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
    parser.add_argument(
        "--real", type=Path, metavar="FOLDER", help="the folder that holds smollm2; left out: stories260k alone"
    )
    parser.add_argument("--json", type=Path, metavar="F", help="read figures that are there from F, and write all to F")
    parser.add_argument("--quick", action="store_true", help="ten steps, two runs")
    parser.add_argument("--replay", action="store_true", help="only the trials with replay rows")
    parser.add_argument("--steps", type=int, metavar="N", help=f"steps of each run and trial; else {STEPS}")
    parser.add_argument(
        "--times", type=float, nargs="+", metavar="X", help="of the real model's trials with replay rows, these"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/forgetting.md")
    args = parser.parse_args()
    figures = json.loads(args.json.read_text()) if args.json and args.json.is_file() else {}
    os.environ.setdefault("SANETUNE_CACHE", str(Path(tempfile.gettempdir()) / "sanetune-bench-forgetting"))
    steps = args.steps or (QUICK_STEPS if args.quick else STEPS)
    small = shared() / "models" / STORIES
    trials = [(method, times) for method, times in REPLAYED if not args.times or times in args.times]
    wanted = [(f"replay {STORIES} {method} x {times}", replayed, small, method, times) for method, times in REPLAYED]
    if args.real:
        model = args.real / "smollm2"
        wanted += [(f"replay {method} x {times}", replayed, model, method, times) for method, times in trials]
        runs = [] if args.replay else ORDER[:2] if args.quick else ORDER
        wanted += [(f"{method} x {times}", measure, model, method, times) for method, times in runs]
    for name, make, folder, method, times in wanted:
        if name not in figures:
            figures[name] = {"model": folder.name, **make(folder, method, times, steps)}
            if args.json:
                args.json.write_text(json.dumps(figures, indent=2) + "\n")
    runs = [one for name, one in sorted(figures.items()) if "verdict" in one and not name.startswith("replay")]
    replays = [one for name, one in sorted(figures.items()) if name.startswith("replay")]
    show("Forgetting", (*COLUMNS, "verdict"), [row(one) for one in runs], figures, args.json)
    lines = [line for one in replays for line in replay_rows(one)]
    show("Replay", REPLAY_COLUMNS, lines, figures, args.json)
    if args.write:
        text = PAGE.read_text()
        if runs:
            ordered = sorted(runs, key=lambda one: (one["method"], one["times"]))
            text = written(text, MARKS, table((*COLUMNS, "verdict"), [row(one) for one in ordered]))
        PAGE.write_text(written(text, REPLAY_MARKS, table(REPLAY_COLUMNS, lines)) if lines else text)


if __name__ == "__main__":
    main()
