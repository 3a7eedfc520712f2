"""Two million rows: memory while they are prepared and trained on, which rows two processes take, and after a kill.

Rows are generated, each different, of about 50 tokens. Memory is what all processes of a command hold for themselves
together (RssAnon, sampled twice a second): pages of mapped files come and go with the page cache. Preparation is
kept in ``--results FOLDER``, and a second start goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench.figures import show
from sanetune.engine import step_log

DEMO = Path(__file__).resolve().parents[1] / "sanetune" / "demo"
ROWS, QUICK = 2_000_000, 20_000
LIMIT_MB = 2_000
STEPS, SAVED = 60, 10
CONFIG = """\
model: {{name: {model}}}
data: {{train: rows.jsonl, holdout: 0.0005, workers: 1}}
train:
  {{max_steps: {steps}, per_device_train_batch_size: 4, gradient_accumulation_steps: 1, learning_rate: 1e-4,
   max_length: 128, logging_steps: 1, eval_strategy: "no", save_steps: {saved}, use_cpu: true}}
check: {{level: static, keep: "off", watch: warn}}
run: {{output_dir: run, trackers: [], samples: 0}}
"""


def generate(file: Path, count: int) -> None:
    """Write ``count`` conversations, none of them twice, from the words of the demo's rows."""
    lines = (DEMO / "data/train.jsonl").read_text().splitlines()[:500]
    words = [word for line in lines for word in json.loads(line)["messages"][-1]["content"].split()]
    chance = random.Random(0)
    with file.open("w") as out:
        for number in range(count):
            asked, answered = " ".join(chance.choices(words, k=8)), " ".join(chance.choices(words, k=12))
            row = [{"role": "user", "content": f"{number}: {asked}"}, {"role": "assistant", "content": answered}]
            out.write(json.dumps({"messages": row}) + "\n")


class Memory(threading.Thread):
    """The largest sum of anonymous memory of a process and its children, in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.ended = pid, 0.0, False

    def run(self) -> None:
        while not self.ended:
            try:
                family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self.peak = max(self.peak, sum(anonymous_mb(one.pid) for one in family))
            time.sleep(0.5)


def anonymous_mb(pid: int) -> float:
    """RssAnon of a process; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")), 0.0)


def command(folder: Path, *words: str, until: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Run a command of sanetune in the folder; its seconds and memory. ``until``: kill it, with its children, then."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SANETUNE_CACHE": str(folder / "cache")}
    began = time.monotonic()
    with (folder / "output.log").open("a") as log:
        it = subprocess.Popen(
            [sys.executable, "-m", "sanetune", *words],
            cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        memory = Memory(it.pid)
        memory.start()
        while it.poll() is None:
            if until and until():
                os.killpg(it.pid, signal.SIGKILL)
                it.wait()
            time.sleep(0.2)
        memory.ended = True
    return {
        "command": "sanetune " + " ".join(words),
        "seconds": round(time.monotonic() - began, 1),
        "peak_mb": round(memory.peak),
        "exit": it.returncode,
    }


def steps_of(run: Path) -> list[list[step_log.LoggedStep]]:
    """The steps of each process."""
    return [list(step_log.read(file)) for file in step_log.files(run / "steps")]


def main() -> None:
    """Generate, prepare, train with two processes undisturbed and killed, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--results", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} rows")
    given = parser.parse_args()
    count = QUICK if given.quick else ROWS
    figures = measured(given.results.resolve(), count)
    done = figures["commands"]
    table = [(one["command"], f"{one['seconds']:,.0f}", f"{one['peak_mb']:,}", one["exit"]) for one in done]
    show(f"{count:,} rows", ("command", "seconds", "peak, MB", "exit"), table, figures, given.json)
    print(f"Two processes took {figures['rows_taken']} rows, {figures['rows_taken_twice']} of them twice.")
    print(f"Rows, losses and norms after the kill are those of the whole run: {figures['resumed_equal']}")
    if figures["rows_taken_twice"] or not figures["resumed_equal"] or max(one["peak_mb"] for one in done) > LIMIT_MB:
        sys.exit(1)


def measured(folder: Path, count: int) -> dict[str, Any]:
    """The figures of all commands, and what the two processes took in the whole and in the killed run."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "rows.jsonl").exists():
        generate(folder / "rows.part", count)
        (folder / "rows.part").rename(folder / "rows.jsonl")
    (folder / "large.yaml").write_text(CONFIG.format(model=DEMO / "model", steps=STEPS, saved=SAVED))
    for name in ("whole", "killed"):
        shutil.rmtree(folder / name, ignore_errors=True)
    two = ("run.devices=2", "--unchecked", "a bench")
    killed = ("train", "large.yaml", "run.output_dir=killed", *two)
    done = [
        command(folder, "data", "large.yaml", "--json", "data.json"),
        command(folder, "train", "large.yaml", "run.output_dir=whole", *two),
        command(folder, *killed, until=saved(folder / "killed", 2 * SAVED)),
        command(folder, *killed, "--resume"),
    ]
    whole, resumed = steps_of(folder / "whole"), steps_of(folder / "killed")
    taken = [row for rank in whole for step in rank for row in step.rows]
    return {
        "rows": count,
        "commands": done,
        "rows_taken": len(taken),
        "rows_taken_twice": len(taken) - len(set(taken)),
        "resumed_equal": whole == resumed and len(whole) == 2,
    }


def saved(run: Path, step: int) -> Callable[[], bool]:
    """Whether the checkpoint of ``step`` is there; it gets its name when it is complete."""
    return lambda: (run / f"checkpoints/checkpoint-{step}").is_dir()


if __name__ == "__main__":
    main()
