"""Memory stays flat over 3,000 optimizer steps, with records, evaluations, checkpoints, watch and step log.

The resident size of a `sanetune train` is read once a second and filed under the step that the run had come to. Its
mean over the last third of the steps is compared with that over the second third.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from bench.figures import ROOT, shared, show

STEPS, QUICK = 3000, 120
LIMIT = 0.02
"""Share by which the two thirds may differ."""
CONFIG = """\
model: {{name: {model}, chat_template: chatml}}
data: {{train: {rows}, max_examples: 400, holdout: 0.05, workers: 1}}
train:
  {{engine: {engine}, max_steps: {steps}, per_device_train_batch_size: 1, gradient_accumulation_steps: 1,
   learning_rate: 1e-4, logging_steps: 5, eval_strategy: steps, eval_steps: {often},
   save_steps: {often}, save_total_limit: 2, use_cpu: true}}
check: {{level: static, keep: "off", watch: warn}}
run: {{output_dir: run, trackers: [], samples: 1}}
"""
COLUMNS = ("engine", "steps", "first third, MB", "second third, MB", "last third, MB", "last to second", "flat")


def main() -> None:
    """Train, watch the memory, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} steps")
    parser.add_argument("--engine", default="trl", help="train.engine")
    given = parser.parse_args()
    steps = QUICK if given.quick else STEPS
    with tempfile.TemporaryDirectory() as folder:
        seen = followed(Path(folder), steps, given.engine)
    figures = figures_of(seen, steps) | {"engine": given.engine, "steps": steps}
    sizes = [f"{figures[name] / 1e6:,.1f}" for name in ("first", "second", "last")]
    flat = "yes" if abs(figures["change"]) <= LIMIT else "no"
    row = (given.engine, f"{steps:,}", *sizes, f"{100 * figures['change']:+.2f} %", flat)
    show("Resident size of one process", COLUMNS, [row], figures, given.json)
    if flat == "no" and not given.quick:
        sys.exit(1)


def followed(folder: Path, steps: int, engine: str) -> list[tuple[int, int]]:
    """Train in ``folder``; returns pairs of optimizer steps done and resident size in bytes, one a second."""
    rows = shared() / "data" / "gsm8k" / "train.jsonl"
    often = max(steps // 10, 10)
    text = CONFIG.format(model=shared() / "models" / "stories260k", rows=rows, engine=engine, steps=steps, often=often)
    (folder / "c.yaml").write_text(text)
    more = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "SANETUNE_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "sanetune", "train", "c.yaml", "--unchecked", "memory is what is measured"]
    seen: list[tuple[int, int]] = []
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, cwd=folder, env=os.environ | more, stdout=log, stderr=log)
        process = psutil.Process(running.pid)
        while running.poll() is None:
            if (step := _step(folder / "run" / "metrics.jsonl")) is not None and step < steps:
                seen.append((step, process.memory_info().rss))
            time.sleep(1)
    if running.returncode:
        sys.exit(f"it ended with {running.returncode}: {(folder / 'log').read_text()[-2000:]}")
    return seen


def figures_of(seen: list[tuple[int, int]], steps: int) -> dict[str, Any]:
    """Return the mean resident size in each third of ``steps``, in bytes, and how the last one differs."""
    thirds = [[size for step, size in seen if third <= 3 * step / steps < third + 1] for third in range(3)]
    assert all(thirds), "a third of the run was over within a second"
    first, second, last = (statistics.fmean(third) for third in thirds)
    return {"first": first, "second": second, "last": last, "change": last / second - 1, "seen": seen}


def _step(metrics: Path) -> int | None:
    """The last step that the run has recorded."""
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, metrics.stat().st_size - 2000))
            return int(json.loads(file.read().splitlines()[-1])["step"])
    except (OSError, ValueError, IndexError, KeyError):
        return None


if __name__ == "__main__":
    main()
