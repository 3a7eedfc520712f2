"""The stages of the exercise: which commands each runs, and what is kept of them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG = """\
model:
  name: {model}
data:
  train: {rows}
  max_examples: {count}
  holdout: 0.1
train:
  engine: {engine}
  num_train_epochs: {epochs}
  per_device_train_batch_size: 8
  gradient_accumulation_steps: 1
  learning_rate: {lr}
  lr_scheduler_type: cosine
  warmup_steps: 0.1
  weight_decay: 0.01
  bf16: true
  use_cpu: true
  logging_steps: 5
  eval_strategy: steps
  eval_steps: {eval_steps}
  save_strategy: steps
  save_steps: {eval_steps}
  load_best_model_at_end: true
run:
  output_dir: runs/{name}
  trackers: []
"""
LEARNING_RATE = 5e-5
SWEPT = (1e-5, 5e-5, 1e-4)


@dataclass(frozen=True)
class Exercise:
    """Where the exercise is made, and of what."""

    folder: Path
    model: Path
    rows: Path
    threads: int
    quick: bool

    def config(self, name: str, lr: float = LEARNING_RATE, engine: str = "accelerate", epochs: float = 3) -> str:
        """Write NAME.yaml into the folder; returns the file's name."""
        text = CONFIG.format(
            model=self.model,
            rows=self.rows,
            count=60 if self.quick else 500,
            engine=engine,
            epochs=epochs,
            lr=lr,
            eval_steps=4 if self.quick else 25,
            name=name,
        )
        (self.folder / f"{name}.yaml").write_text(text)
        return f"{name}.yaml"

    def command(self, *words: str) -> dict[str, Any]:
        """Run a command of sanetune in the folder: its seconds, those of the processor, exit code and output."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads), "COLUMNS": "100"}
        done = subprocess.run(
            [sys.executable, "-m", "sanetune", *words],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1):  # 1: refused, which is a result
            sys.exit(f"sanetune {' '.join(words)}\n{done.stdout}")
        return {
            "command": "sanetune " + " ".join(words),
            "seconds": round(time.monotonic() - began, 1),
            "cpu_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
            "threads": self.threads,
            "load": round(os.getloadavg()[1], 1),
            "exit": done.returncode,
            "output": done.stdout,
        }

    def read(self, name: str) -> Any:
        """A JSON file of the folder; None where a command did not come to write it."""
        file = self.folder / name
        return json.loads(file.read_text()) if file.exists() else None

    def records(self, name: str) -> list[dict[str, Any]]:
        """The records of a run; none where it was refused."""
        file = self.folder / f"runs/{name}/metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@dataclass(frozen=True)
class Stage:
    """A part of the exercise: ``run`` returns its figures, among them ``commands``."""

    name: str
    meaning: str
    run: Callable[[Exercise], dict[str, Any]]


def _findings(report: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Failed and warning findings of a report, without their witnesses."""
    wanted = ("check", "verdict", "message", "evidence", "fix")
    found = (report or {}).get("findings", [])
    return [{key: one.get(key) for key in wanted} for one in found if one["verdict"] in ("fail", "warn", "crash")]


def _check(it: Exercise) -> dict[str, Any]:
    file = it.config("lab")
    short = ("check.trial_steps=10",) if it.quick else ()
    done = it.command("check", file, *short, "--json", "check.json", "--html", "check.html")
    report = it.read("check.json")
    verdicts = [one["verdict"] for one in (report or {}).get("findings", [])]
    counts = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    experiments = it.read("runs/lab/proof.json")
    return {
        "commands": [done],
        "verdict": (report or {}).get("verdict"),
        "counts": counts,
        "findings": _findings(report),
        "experiments": experiments,
    }


def _too_high(times: int) -> Callable[[Exercise], dict[str, Any]]:
    """The gate at ``times`` the learning rate: refused, then corrected by --fix and checked again."""

    def run(it: Exercise) -> dict[str, Any]:
        file = it.config(name := f"times{times}", LEARNING_RATE * times)
        short = ("check.trial_steps=10",) if it.quick else ()
        done = it.command("check", file, *short, "--fix", "--json", f"{name}.json")
        report = it.read(f"{name}.json") or {}
        return {
            "commands": [done],
            "verdict": report.get("verdict"),
            "rounds": report.get("rounds", []),
            "learning_rate": {"given": LEARNING_RATE * times, "fixed": _learning_rate(it.folder / file)},
        }

    return run


def _learning_rate(config: Path) -> float:
    """The learning rate that is in a configuration now."""
    from sanetune.config.load import load

    return float(load(config).train["learning_rate"])


def _train(it: Exercise) -> dict[str, Any]:
    file = it.config("lab")
    short = ("check.trial_steps=10",) if it.quick else ()
    trained = it.command("train", file, *short)
    compared = it.command("compare", "runs/lab", "-n", "32", "--json", "compare.json")
    return {
        "commands": [trained, compared],
        "records": it.records("lab"),
        "samples": it.read("runs/lab/samples.json"),
        "comparison": it.read("compare.json"),
        "forgetting": it.read("runs/lab/forgetting.json"),
        "outcome": it.read("runs/lab/outcome.json"),
    }


def _sweep(it: Exercise) -> dict[str, Any]:
    file = it.config("lab")
    values = ",".join(f"{lr:g}" for lr in SWEPT)
    steps = "10" if it.quick else "60"
    done = it.command("sweep", file, f"learning_rate={values}", "--trial-steps", steps, "--json", "sweep.json")
    return {"commands": [done], "sweep": it.read("sweep.json")}


PADDED = ("train.eval_strategy=no", "train.save_strategy=no", "train.load_best_model_at_end=false", "run.samples=1")
PACKED = (*PADDED, "train.packing=true", "train.max_length=512", "train.per_device_train_batch_size=1")
"""A pack of 512 tokens holds about eight rows of this data, so that a step has as many rows either way."""


def _packing(it: Exercise) -> dict[str, Any]:
    """One epoch with rows packed and one with rows padded, on both engines, at the same effective batch in rows."""
    commands, runs = [], []
    for engine in ("trl", "accelerate"):
        for packing, settings in ((False, PADDED), (True, PACKED)):
            name = f"{engine}-{'packed' if packing else 'padded'}"
            file = it.config(name, engine=engine, epochs=1)
            words = (file, *settings, "check.keep=off", "--unchecked", "packing beside padding")
            commands.append(it.command("train", *words))
            records = it.records(name)
            runs.append({"engine": engine, "packing": packing, "records": records})
    return {"commands": commands, "runs": runs}


STAGES = (
    Stage("check", "the gate at the textbook's learning rate, 5e-5", _check),
    Stage("train", "three epochs of the cleared run, and base beside tuned model", _train),
    Stage("times100", "the gate at a hundred times that learning rate", _too_high(100)),
    Stage("packing", "rows packed beside rows padded", _packing),
    Stage("sweep", "1e-5, 5e-5 and 1e-4 in short runs", _sweep),
    Stage("times10", "the gate at ten times that learning rate", _too_high(10)),
)
