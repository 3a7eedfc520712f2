"""What level ``trial`` takes of the processor on a real model, part by part.

The textbook's exercise: a model of 135 million weights, 500 rows, 3 epochs at a learning rate of 5e-5, without a GPU.
CPU seconds of one process with one thread (``OMP_NUM_THREADS=1``), which other work on the machine hardly changes; on
two quiet cores the clock shows about six tenths of them. The figures are written after each part.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.figures import shared
from sanetune.events import Event, EvidenceStarted, ProbeStep

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence

SETTINGS = {"num_train_epochs": 3, "learning_rate": 5e-5, "per_device_train_batch_size": 8, "use_cpu": True}
ROWS = 500


@dataclass
class Parts:
    """CPU seconds of each piece of evidence, with the checks that read it before the next one is built."""

    file: Path
    seconds: dict[str, float] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    name: str = "before the first"
    began: float = field(default_factory=time.process_time)

    def __call__(self, event: Event) -> None:
        if isinstance(event, EvidenceStarted):
            self.end()
            self.name = event.name
        elif isinstance(event, ProbeStep):
            self.steps[event.probe] = self.steps.get(event.probe, 0) + 1
            self.end()

    def end(self) -> None:
        """Add the time since the last call to the part that was begun then."""
        now = time.process_time()
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + now - self.began
        self.began = now
        self.write({})

    def write(self, more: dict[str, Any]) -> None:
        """Write what is known so far: seconds of the parts, and optimizer steps that they made."""
        parts = {name: round(value, 1) for name, value in self.seconds.items()}
        self.file.write_text(
            json.dumps({"parts": parts, "whole": round(sum(parts.values()), 1), "steps": self.steps} | more, indent=1)
            + "\n"
        )


def settings(model: Path, data: str, rows: int, folder: Path) -> dict[str, Any]:
    """The configuration of the exercise."""
    return {
        "model": {"name": str(model)},
        "data": {"train": str(shared() / "data" / data), "max_examples": rows},
        "train": SETTINGS,
        "run": {"output_dir": str(folder), "trackers": []},
    }


def step_costs(config: Config, evidence: Evidence) -> dict[str, dict[str, float]]:
    """CPU seconds and tokens of one step of each experiment, on whole batches and on those of a slow processor."""
    from sanetune.probes.cut_batches import cut, shorter_trial
    from sanetune.probes.heldout import evaluate_rows, held_out_rows
    from sanetune.probes.lr_comparison import KEPT
    from sanetune.probes.overfit import _batches, choose_examples

    harness, examples = evidence["harness"], config.check.overfit_examples
    most = harness.most_tokens
    whole = harness.first_batches(harness.settings.gradient_accumulation_steps)
    steps = {
        "step of the trial, or of a learning rate on whole batches": whole,
        "step of a learning rate": [cut(batch, KEPT * most // len(whole)) for batch in whole] if most else whole,
        "step of the overfit test": _batches(harness, choose_examples(harness, examples)),
    }
    harness.most_tokens = None
    steps["step of the overfit test on all examples"] = _batches(harness, choose_examples(harness, examples))
    harness.most_tokens = most
    found: dict[str, dict[str, float]] = {}
    with harness.untouched(), harness.optimizer() as optimizer:
        for name, batches in steps.items():
            seconds = []
            for _ in range(2):
                began = time.process_time()
                harness.gradients(batches)
                harness.clip()
                optimizer.step()
                optimizer.zero_grad()
                seconds.append(time.process_time() - began)
            found[name] = {"seconds": min(seconds), "tokens": sum(batch["input_ids"].numel() for batch in batches)}
            print(name, found[name], flush=True)
    validation = held_out_rows(harness)
    for name, rows in (("fixed evaluation batch", validation.few()), ("evaluation", validation)):
        began = time.process_time()
        evaluate_rows(harness, rows, 0)
        found[name] = {"seconds": time.process_time() - began, "rows": len(rows)}
        print(name, found[name], flush=True)
    tokens = sum(batch["input_ids"].numel() for batch in whole)
    planned = min(config.check.trial_steps, evidence["plan"].steps.total_steps)
    found["steps of the trial"] = {"whole": planned, "slow": shorter_trial(planned, tokens, most)}
    return found


def main() -> None:
    from sanetune.config.load import load
    from sanetune.workflows.check import evidence_of, run_checks

    parser = argparse.ArgumentParser(prog="python -m bench.levels", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("--data", default="alpaca/instruction-data.json", help="file below the shared data")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--level", default="trial")
    parser.add_argument("--steps", action="store_true", help="single steps of each experiment, in a minute")
    parser.add_argument("--json", type=Path, required=True)
    asked = parser.parse_args()
    parts = Parts(asked.json)
    with tempfile.TemporaryDirectory() as folder:
        config = load(settings(asked.model, asked.data, asked.rows, Path(folder)))
        with evidence_of(config, parts, asked.level) as evidence:
            if asked.steps:
                costs = step_costs(config, evidence)
                asked.json.write_text(json.dumps(costs, indent=1) + "\n")
                print(f"steps of the trial: {costs['steps of the trial']}")
                return
            found = run_checks(config, evidence, level=asked.level)
    parts.end()
    said = {one.check: [str(one.verdict), one.message] for one in found.findings}
    parts.write({"findings": said, "experiments": found.experiments})
    for name, seconds in sorted(parts.seconds.items(), key=lambda one: -one[1]):
        print(f"{seconds:8.1f} s  {name}")
    print(f"{sum(parts.seconds.values()):8.1f} s  in all")


if __name__ == "__main__":
    main()
