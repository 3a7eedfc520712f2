"""What each of two processes runs in `test_of_two_processes_the_main_one_decides_and_the_other_follows`."""

from __future__ import annotations

import os
from pathlib import Path

import sanetune
from sanetune.errors import UserError


def main() -> None:
    said = []
    for more in (["train.learning_rate=5.0", "run.name=y"], []):
        try:
            trained = sanetune.train("c.yaml", "train.ddp_backend=gloo", "run.samples=0", *more)
            assert trained.clearance is not None
            said.append(f"{trained.clearance.summary} {trained.comparison is not None}")
        except UserError as error:
            said.append(type(error).__name__)
    Path(f"said-{os.environ['RANK']}").write_text("\n".join(said))
