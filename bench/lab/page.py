"""The page of the exercise: what the commands printed, tables of what they measured, and pictures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.figures import ROOT
from bench.lab.stages import CONFIG, LEARNING_RATE, STAGES

PAGE = ROOT / "docs/lab.md"
SHOWN = 5
"""Answers on the page."""
HEAD = """\
# The textbook's exercise, whole

SmolLM2-135M-Instruct, 500 rows of Alpaca, three epochs at 5e-5, on a processor, by the commands that a user types:
`python -m bench.lab --model FOLDER --results FOLDER`, then `--write`, which makes this page of what there is. The
commands ran with {threads} on a machine of two cores. *Load* is the system's mean of five minutes at the end of a
command, its own threads included.{gate}

```yaml
{config}```

"""


def write(done: dict[str, Any], results: Path) -> None:
    """Write the page of the stages in ``done``; their files are in ``results``."""
    parts = [head(done), commands(done)]
    sections = {
        "check": checked,
        "train": trained,
        "times10": lambda one: too_high(one, 10),
        "times100": lambda one: too_high(one, 100),
        "sweep": swept,
        "packing": packed,
    }
    parts += [section(done[name]) for name, section in sections.items() if name in done]
    if missing := [f"{stage.name} ({stage.meaning})" for stage in STAGES if stage.name not in done]:
        parts.append(f"## Not made yet\n\n{'; '.join(missing)}.\n")
    PAGE.write_text("\n".join(parts).rstrip() + "\n")
    pictures = {
        "lab-curves.png": results / "runs/lab/plots/curves.png",
        "lab-sweep.png": results / "runs/lab-sweep/plots/sweep.png",
    }
    for name, file in pictures.items():
        if file.exists():
            shutil.copy(file, PAGE.parent / name)


def head(done: dict[str, Any]) -> str:
    """What is done, and on what."""
    every = [one for stage in done.values() for one in stage["commands"]]
    threads = every[0]["threads"] if every else 0
    gate = done["check"]["commands"][0]["seconds"] if "check" in done else None
    config = CONFIG.format(
        model="SmolLM2-135M-Instruct",
        rows="instruction-data.json",
        count=500,
        engine="accelerate",
        epochs=3,
        lr=f"{LEARNING_RATE:g}",
        eval_steps=25,
        name="lab",
    )
    words = "one thread" if threads == 1 else f"{threads} threads"
    took = f" The gate took {gate / 60:.1f} minutes; the goal is 15." if gate else ""
    return HEAD.format(config=config, threads=words, gate=took)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (columns, ("---",) * len(columns), *rows)]
    return "\n".join(lines) + "\n"


def commands(done: dict[str, Any]) -> str:
    """All commands with their seconds."""
    rows = [
        (
            f"`{one['command']}`",
            f"{one['cpu_seconds']:,.0f}",
            f"{one['seconds']:,.0f}",
            f"{one['load']:.1f}",
            str(one["exit"]),
        )
        for stage in done.values()
        for one in stage["commands"]
    ]
    return table(("command", "CPU seconds", "seconds", "load", "exit code"), rows)


def block(text: str) -> str:
    """Text of a terminal."""
    return "```text\n" + "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n```\n"


def after(output: str, mark: str) -> str:
    """The output from the line that begins with ``mark`` on; all of it where there is none."""
    lines = output.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(mark)]
    return "\n".join(lines[starts[-1] :]) if starts else output


def figures(output: str) -> str:
    """The table and the verdict at the end of a comparison, without its answers."""
    lines = output.splitlines()
    head = [number for number, line in enumerate(lines) if line.split() == ["base", "tuned"]]
    return "\n".join(lines[head[-1] :]) if head else output


def checked(stage: dict[str, Any]) -> str:
    """The gate at the textbook's learning rate."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in stage["counts"].items())
    return f"## The gate\n\nVerdict: {stage['verdict']} ({counts}).\n\n" + block(
        after(stage["commands"][0]["output"], "Experiments")
    )


def trained(stage: dict[str, Any]) -> str:
    """The run, its curve and its answers."""
    evaluations = [one for one in stage["records"] if one["kind"] != "train" and "loss" in one]
    rows = [(str(one["step"]), f"{one['epoch']:.2f}", f"{one['loss']:.4f}") for one in evaluations]
    text = "## Three epochs\n\n![loss, learning rate and gradient norm of the run](lab-curves.png)\n\n"
    text += table(("step", "epoch", "validation loss, nats per token"), rows)
    text += "\n" + block(figures(stage["commands"][-1]["output"])) + "\n## Answers before and after\n\n"
    pairs = (stage["samples"] or {}).get("pairs", [])[:SHOWN]
    return text + table(("prompt", "base", "tuned"), [answers(one) for one in pairs])


def answers(pair: dict[str, Any]) -> tuple[str, ...]:
    """A prompt with both answers, shortened."""
    return tuple(cell(text) for text in (pair["prompt"][-1]["content"], pair["base"]["text"], pair["tuned"]["text"]))


def cell(text: str, longest: int = 240) -> str:
    """Text in a cell of a table."""
    plain = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def too_high(stage: dict[str, Any], times: int) -> str:
    """The gate at a learning rate that is too high, and what --fix made of it."""
    lr, text = stage["learning_rate"], f"## {times} times the learning rate\n"
    for number, one in enumerate(stage["rounds"], 1):
        rows = [(found["verdict"], f"`{found['check']}`", cell(found["what"], 400)) for found in one["findings"]]
        changes = ", ".join(f"`{change['key']}`: {change['before']} → {change['after']}" for change in one["changes"])
        text += "\n" + f"Round {number}: {one['verdict']}. {one.get('undone', '')}".rstrip() + "\n\n"
        text += table(("verdict", "check", "message"), rows) if rows else ""
        text += f"\nChanged: {changes}\n" if changes else ""
    text += f"\nFrom {lr['given']:g} to {lr['fixed']:g}; at the end: {stage['verdict']}.\n\n"
    return text + block(after(stage["commands"][-1]["output"], "Experiments"))


def swept(stage: dict[str, Any]) -> str:
    """Three learning rates in short runs."""
    found = "## Three learning rates in short runs\n\n"
    trials = (stage["sweep"] or {}).get("trials", [])
    rows = [
        (
            f"{one['lr']:g}",
            str(one["steps"]),
            f"{one['evaluation']['loss']:.4f}",
            one["state"],
            f"{one['seconds']:,.0f}",
        )
        for one in trials
    ]
    found += table(("learning rate", "steps", "validation loss", "state", "seconds"), rows)
    return found + "\n" + block(stage["commands"][0]["output"]) + "\n![the sweep](lab-sweep.png)\n"


def packed(stage: dict[str, Any]) -> str:
    """Rows packed beside rows padded."""
    rows = []
    for one, command in zip(stage["runs"], stage["commands"], strict=True):
        steps = [record for record in one["records"] if record["kind"] == "train"]
        if not steps:
            continue
        rows.append(
            (
                one["engine"],
                "packed" if one["packing"] else "padded",
                str(steps[-1]["step"]),
                f"{steps[-1]['tokens']:,}",
                f"{steps[-1]['tokens'] / steps[-1]['seconds']:,.0f}",
                f"{command['cpu_seconds']:,.0f}",
                f"{steps[-1]['loss']:.3f}",
            )
        )
    columns = ("engine", "rows", "steps", "tokens", "tokens per second", "CPU seconds of the command", "last loss")
    return "## Packing beside padding\n\nOne epoch each.\n\n" + table(columns, rows)
