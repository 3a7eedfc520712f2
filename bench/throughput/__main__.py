"""Useful tokens per second beside TRL's trainer: the same model, the same rows, in alternating processes.

Useful tokens are those of the rows, whatever else a system computes: padding, or the same beginning again. Every system
makes a first step on other rows (its time is a column), then one epoch over the same rows, of whose steps the first is
left out where there are more; its processes alternate, and the ratio of each round is taken within the round. MFU is
what the rows need (each for itself, logits of tokens in the loss) over what matrix products of the model's shapes reach
in the same process, so shared beginnings can pass 100 %. It fails where a gradient is zero, weights stay, or losses of
equal batches differ. A second start goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.figures import show
from bench.throughput import counts
from bench.throughput.rows import DATA
from bench.throughput.systems import SYSTEMS

ROWS = {"alpaca": 48, "gsm8k": 24, "alpaca-system": 16, "airline": 8, "airline-in-order": 8}
"""Rows of each data set, after those of the first step."""
SAME = {"fp32": 1e-3, "bf16": 1e-2}
"""Largest relative difference of the losses of a step on equal batches: of every step in fp32, of the first in bf16.
AdamW's first step moves each weight by the sign of its gradient alone, so that later ones add what bf16 rounds away:
0.3 % became 3 % in a single step of SmolLM2, between two systems that agree in fp32."""
COLUMNS = ("data", "precision", "system", "useful/s", "in loss/s", "x TRL", "x packed", "spread", "by CPU", "MFU", "GB",
           "first, s")  # fmt: skip
"""Tokens per second; times TRL's defaults and times TRL packed by the clock, then both by CPU seconds."""

Key = tuple[str, str, str, int]


def systems_for(asked: argparse.Namespace) -> list[str]:
    """The systems that are compared: those that are asked for, or all that are installed."""
    if asked.systems:
        return list(asked.systems)
    missing = {"unsloth"} if find_spec("unsloth") is None else set()
    return [name for name in SYSTEMS if name not in missing and (asked.kept or not name.endswith("-kept"))]


def measure(asked: argparse.Namespace, key: Key) -> dict[str, Any]:
    """The figures of one process."""
    data, precision, system, _ = key
    rows = asked.rows or (8 if asked.quick else ROWS[data])
    threads = str(asked.threads)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        options = {"model": asked.model, "data": data, "system": system, "precision": precision, "rows": rows,
                   "threads": threads, "out": out}  # fmt: skip
        command = [sys.executable, "-m", "bench.throughput.worker"]
        command += [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        environment = os.environ | {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, key))}:\n{done.stderr[-3000:]}")
        figures: dict[str, Any] = json.loads(out.read_text())
        return figures


def run(asked: argparse.Namespace) -> dict[Key, dict[str, Any]]:
    """All measurements, round after round; what the file of results has is not measured again."""
    found: dict[Key, dict[str, Any]] = {}
    if asked.results and asked.results.exists():
        for line in asked.results.read_text().splitlines():
            kept = json.loads(line)
            found[tuple(kept["key"])] = kept["figures"]
    for number in range(asked.rounds):
        for data in asked.data:
            for precision in asked.precision:
                names = systems_for(asked)
                for system in names[number % len(names) :] + names[: number % len(names)]:
                    key = (data, precision, system, number)
                    if key not in found:
                        found[key] = measure(asked, key)
                        print(*key, f"{speed(found[key]):.1f} useful tok/s", flush=True)
                        if asked.results:
                            with asked.results.open("a") as file:
                                file.write(json.dumps({"key": key, "figures": found[key]}) + "\n")
    return found


def speed(figures: dict[str, Any], clock: str = "seconds", tokens: str = "useful") -> float:
    """Tokens per second over the counted steps."""
    steps = counted(figures)
    return float(sum(step[tokens] for step in steps)) / sum(step[clock] for step in steps)


def counted(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps whose time counts: without the one in which a new optimizer takes its memory, unless it is the only."""
    steps: list[dict[str, Any]] = figures["steps"]
    return steps[1:] or steps


def compare_losses(found: dict[Key, dict[str, Any]]) -> None:
    """Fail where systems with equal batches have different losses; packs have other rows in their steps."""
    for (data, precision, system, number), figures in found.items():
        base = found.get((data, precision, "trl", number))
        if base is None or system == "trl" or "packed" in system:
            continue
        ours, theirs = (
            [some["first"]["loss"], *(step["loss"] for step in some["steps"] if precision == "fp32")]
            for some in (figures, base)
        )
        worst = max(abs(one / other - 1) for one, other in zip(ours, theirs, strict=True))
        assert worst <= SAME[precision], f"{data}, {precision}, {system}: losses differ by {worst:.2g} of TRL's"


def ratios(found: dict[Key, dict[str, Any]], one: Key, other: str, clock: str) -> list[float]:
    """How many times as fast as ``other`` it was, in each round that has both."""
    data, precision, system, _ = one
    rounds = sorted({key[3] for key in found})
    pairs = [[found.get((data, precision, name, number)) for name in (system, other)] for number in rounds]
    return [speed(ours, clock) / speed(theirs, clock) for ours, theirs in pairs if ours and theirs]


def figures_of(found: dict[Key, dict[str, Any]], one: Key) -> dict[str, Any]:
    """What the rounds of one system on one data set say."""
    some = [value for key, value in found.items() if key[:3] == one[:3]]
    needed = [each["flops"] / each["useful"] * speed(each) / each["matmul"] for each in some]
    return {
        "useful": statistics.median(map(speed, some)),
        "in_loss": statistics.median(speed(each, tokens="in_loss") for each in some),
        "cpu": statistics.median(speed(each, "cpu") for each in some),
        "times_trl": ratios(found, one, "trl", "seconds"),
        "times_packed": ratios(found, one, "trl-packed", "seconds"),
        "times_trl_cpu": ratios(found, one, "trl", "cpu"),
        "times_packed_cpu": ratios(found, one, "trl-packed", "cpu"),
        "mfu": statistics.median(needed),
        "memory": max(each["memory"] for each in some),
        "first": statistics.median(each["first"]["seconds"] for each in some),
        "first_cpu": statistics.median(each["first"]["cpu"] for each in some),
        "tokens": some[0].get("tokens"),
        "computed": some[0].get("computed"),
        "notes": some[0].get("notes", []),
        "load": [each["load"] for each in some],
    }


def table(found: dict[Key, dict[str, Any]]) -> tuple[list[list[str]], dict[str, Any]]:
    """The rows of the table, and its figures."""
    rows, figures = [], {}
    for key in {key[:3]: key for key in found}.values():
        one = figures[", ".join(key[:3])] = figures_of(found, key)
        rows.append(
            [
                *key[:3],
                f"{one['useful']:.0f}",
                f"{one['in_loss']:.0f}",
                middle(one["times_trl"]),
                middle(one["times_packed"]),
                between(one["times_packed"]),
                f"{middle(one['times_trl_cpu'])} {middle(one['times_packed_cpu'])}",
                f"{one['mfu']:.0%}",
                f"{one['memory'] / 1e9:.1f}",
                f"{one['first']:.1f}",
            ]
        )
    return rows, figures


def middle(ratios: Sequence[float]) -> str:
    """The median of the rounds."""
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def between(ratios: Sequence[float]) -> str:
    """The lowest and the highest of the rounds."""
    return f"{min(ratios):.2f} to {max(ratios):.2f}" if len(ratios) > 1 else ""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("model", help="folder of a model with a chat template")
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(ROWS)[:4])
    parser.add_argument("--precision", nargs="+", choices=list(SAME), default=list(SAME))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, help="rows of each data set, after those of the first step")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), help="some of the systems alone")
    parser.add_argument("--kept", action="store_true", help="TRL without activation checkpointing too")
    parser.add_argument("--tokens", action="store_true", help="count what a step computes, without training")
    parser.add_argument("--quick", action="store_true", help="8 rows, one round")
    parser.add_argument("--results", type=Path, metavar="F", help="keep what is measured, and go on from it")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    asked = parser.parse_args()
    if asked.tokens:
        show("Tokens of batches of eight rows", counts.COLUMNS, *counts.count(asked.model, asked.data), asked.json)
        return
    if asked.quick:
        asked.rounds = 1
    found = run(asked)
    wanted = {key: value for key, value in found.items() if key[0] in asked.data and key[1] in asked.precision}
    compare_losses(wanted)
    rows, figures = table(wanted)
    show("Useful tokens per second", COLUMNS, rows, figures, asked.json)


if __name__ == "__main__":
    main()
