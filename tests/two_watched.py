"""What each of two processes runs in `test_two_processes_end_together`: FOLDER."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import sanetune
from tests.test_callback_watch import Rows, trainer


def main(folder: Path) -> None:
    watch = sanetune.Watch(ignore=["curve-start-high"])
    made = trainer(folder / "run", Rows(200), watch, learning_rate=30.0, ddp_backend="gloo")
    error = ""
    try:
        made.train()
    except sanetune.GateError as caught:
        error = type(caught).__name__
    figures = {"error": error, "step": made.state.global_step, "findings": len(watch.findings)}
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
