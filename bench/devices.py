"""Several real processes give the losses of one at the same effective batch, and a process that dies ends the run.

    python -m bench.devices --results FOLDER --json F
    python -m bench.devices --results FOLDER --sharding fsdp
    python -m bench.devices --results FOLDER --sharding zero

Each run is ``sanetune train`` with ``run.devices``, on processors (gloo); runs that are in FOLDER are not made again.
DeepSpeed (``--sharding zero``) has to be installed; it compiles an operator when it is first used.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from sanetune.workflows.sharding_keys import deepspeed_settings

DEMO = Path(__file__).resolve().parents[1] / "sanetune" / "demo"
ROWS = 8
"""Rows (or packs) of each step, whatever the number of processes."""
STEPS = 6
LIMIT = 1e-4
"""Relative difference of a loss or gradient norm that sums in another order may have."""
CASES = {
    "padded": [],
    "packed": ["train.packing=true", "train.max_length=256"],
    # Dropout is drawn by each process for itself.
    "padded, LoRA": ['model.adapter={"type": "lora", "dropout": 0}'],
    # The last step of each of two epochs has four of them.
    "padded, 20 rows": ["data.max_examples=20"],
}

FSDP = {
    f"{batches}, {engine}": [*extra, "train.fsdp=true", f"train.engine={engine}"]
    for batches, extra in CASES.items()
    for engine in ("trl", "accelerate")
}
"""The same, divided by FSDP2, on each engine."""
ZERO = {
    f"{batches}, ZeRO-{stage}": [*extra, f"train.deepspeed={json.dumps(deepspeed_settings(stage))}"]
    for batches, extra in CASES.items()
    for stage in (2, 3)
    if "LoRA" not in batches
}
"""The same, divided by DeepSpeed as ``sanetune init --sharding`` has it."""
SHARDINGS = {"ddp": CASES, "fsdp": FSDP, "zero": ZERO}


def command(run: Path, processes: int, extra: list[str]) -> list[str]:
    """Return the command of a run of :data:`ROWS` rows per step on ``processes`` processes."""
    settings = {
        "train.per_device_train_batch_size": ROWS // processes,
        "train.gradient_accumulation_steps": 1,
        "train.max_steps": STEPS,
        "train.logging_steps": 1,
        "train.learning_rate": 1e-3,
        "train.use_cpu": True,
        "run.devices": processes,
        "run.output_dir": run,
        "run.samples": 0,
        "data.holdout": 0,
        "data.max_examples": 96,
        "data.workers": 1,
        "check.keep": "off",
    }
    values = [f"{key}={json.dumps(value, default=str)}" for key, value in settings.items()]
    file = run.with_suffix(".yaml")
    file.write_text(
        f"model: {{name: {DEMO / 'model'}}}\ndata: {{train: {DEMO / 'data' / 'train.jsonl'}}}\nrun: {{trackers: []}}\n"
    )
    return [sys.executable, "-m", "sanetune", "train", str(file), *values, *extra, "--unchecked", "a bench"]


def environment() -> dict[str, str]:
    """Return the variables of a run: one thread for each process, and DeepSpeed on processors."""
    return os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "DS_ACCELERATOR": "cpu"}


def curve(run: Path, processes: int, extra: list[str]) -> list[tuple[float, float]]:
    """Return loss (nats per token) and gradient norm of each step, from a run that is made where it is not there."""
    metrics = run / "metrics.jsonl"
    if not (run / "model").is_dir():
        subprocess.run(command(run, processes, extra), env=environment(), check=True, stdout=subprocess.DEVNULL)
    records = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [(one["loss"], one["grad_norm"]) for one in records if one["kind"] == "train"]


def apart(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the largest relative difference of the losses, and that of the gradient norms, over all steps."""
    assert len(one) == len(other) == STEPS
    pairs = list(zip(one, other, strict=True))
    loss, norm = (max(abs(a[k] - b[k]) / abs(a[k]) for a, b in pairs) for k in range(2))
    return loss, norm


def death(folder: Path) -> dict[str, Any]:
    """Kill one of two processes while they train; return how long the run took to end, in seconds, and its words."""
    run = folder / "killed"
    words = [*command(run, 2, []), "train.max_steps=2000"]
    with subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as it:
        deadline = time.monotonic() + 600
        while not (run / "metrics.jsonl").is_file() and time.monotonic() < deadline and it.poll() is None:
            time.sleep(0.2)
        ranks = [one for one in psutil.Process(it.pid).children() if "sanetune" in one.cmdline()]
        ranks[-1].send_signal(signal.SIGKILL)
        began = time.monotonic()
        _, said = it.communicate(timeout=120)
    messages = [line for line in said.splitlines() if line.startswith("Error:") or "Traceback" in line]
    return {"seconds": time.monotonic() - began, "exit_code": it.returncode, "messages": messages}


def main() -> None:
    """Make the runs, print the table, and fail where a difference is above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sharding", choices=SHARDINGS, default="ddp", help="how the processes share the model")
    parser.add_argument("--quick", action="store_true", help="two processes, padded and packed")
    given = parser.parse_args()
    os.nice(10)
    given.results.mkdir(parents=True, exist_ok=True)
    found: list[dict[str, Any]] = []
    for case, extra in list(SHARDINGS[given.sharding].items())[: 2 if given.quick else None]:
        plain = next(name for name in reversed(CASES) if case.startswith(name))
        one = curve(given.results / f"{plain.replace(', ', '-')}-1", 1, CASES[plain])
        for processes in (2,) if given.quick else (2, 4):
            several = curve(given.results / f"{case.replace(', ', '-')}-{processes}", processes, extra)
            loss, norm = apart(one, several)
            found.append({"case": case, "processes": processes, "loss": loss, "norm": norm})
            print(f"{case:<24} {processes} processes   loss {loss:.1e}   gradient norm {norm:.1e}", flush=True)
    ended = {} if given.quick or given.sharding != "ddp" else death(given.results)
    if ended:
        print(f"killed: ended after {ended['seconds']:.1f} s with {ended['exit_code']}: {ended['messages']}")
    if given.json:
        given.json.write_text(json.dumps({"runs": found, "killed": ended}, indent=2))
    bad = [one for one in found if not max(one["loss"], one["norm"]) <= LIMIT]
    slow = bool(ended) and (ended["seconds"] > 60 or len(ended["messages"]) != 1)
    sys.exit(1 if bad or slow else 0)


if __name__ == "__main__":
    main()
