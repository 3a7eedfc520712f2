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
from typing import Any

from bench.figures import shared
from sanetune.events import Event, EvidenceStarted, ProbeStep

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


def main() -> None:
    from sanetune.config.load import load
    from sanetune.workflows.check import evidence_of, run_checks

    parser = argparse.ArgumentParser(prog="python -m bench.levels", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of the model")
    parser.add_argument("--data", default="alpaca/instruction-data.json", help="file below the shared data")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--level", default="trial")
    parser.add_argument("--json", type=Path, required=True)
    asked = parser.parse_args()
    parts = Parts(asked.json)
    with tempfile.TemporaryDirectory() as folder:
        config = load(settings(asked.model, asked.data, asked.rows, Path(folder)))
        with evidence_of(config, parts, asked.level) as evidence:
            found = run_checks(config, evidence, level=asked.level)
    parts.end()
    said = {one.check: [str(one.verdict), one.message] for one in found.findings}
    parts.write({"findings": said, "experiments": found.experiments})
    for name, seconds in sorted(parts.seconds.items(), key=lambda one: -one[1]):
        print(f"{seconds:8.1f} s  {name}")
    print(f"{sum(parts.seconds.values()):8.1f} s  in all")


if __name__ == "__main__":
    main()
