"""Runs the scripts of this folder as their authors would, with the gate before the first step.

``python -m tests.scripts.running [NAME...]`` prints what is found in each.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import sanetune
from sanetune.finding import GateError, Report

HOME = Path(__file__).parent
DEMO = Path(sanetune.__file__).parent / "demo"
LEFT_OUT = ("config", "machine", "rows-secrets", "rows-outliers", "rows-duplicated")
"""Advice on arguments and rows that is no matter of the scripts."""
FEW = 2
"""Runs of so many steps are trained, as for a checkpoint that a later one resumes; others end when they may begin."""


class BegunError(Exception):
    """The gate has let a run begin."""


def fill(folder: Path) -> Path:
    """Put into ``folder`` what the scripts read: a small model, chats, questions with answers, plain texts."""
    shutil.copytree(DEMO / "model", folder / "model")
    lines = (DEMO / "data" / "train.jsonl").read_text().splitlines()
    chats = [json.loads(line)["messages"] for line in lines[:300]]
    plain = [chat for chat in chats if chat[0]["role"] == "user"]
    questions = [{"question": chat[0]["content"], "answer": chat[1]["content"]} for chat in plain]
    held_out = [json.loads(line) for line in (DEMO / "data" / "validation.jsonl").read_text().splitlines()]
    rows: dict[str, list[Any]] = {
        "chats": [{"messages": chat} for chat in chats[:100]],
        "held_out": [{"messages": row["messages"]} for row in held_out[:40]],
        "questions": questions[:80],
        "more_questions": questions[80:120],
        "texts": [{"text": row["answer"]} for row in questions[:120]],
    }
    for name, some in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return folder


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in ``folder``, which keeps all that is written."""
    kept = {"HF_DATASETS_CACHE": str(folder / "cache"), "TQDM_DISABLE": "1"}
    with contextlib.chdir(folder), mock.patch.dict(os.environ, kept):
        yield


def report_of(name: str, folder: Path) -> Report:
    """Run a script, and return what the gate found before its last training."""
    import datasets
    from transformers import Trainer, TrainerCallback

    class Stop(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            if args.max_steps != FEW:
                raise BegunError

    reports: list[Report | None] = []
    train = Trainer.train

    def gated(trainer: Trainer, *given: Any, **more: Any) -> Any:
        gate = sanetune.Gate(trainer, ignore=LEFT_OUT)
        trainer.add_callback(gate)
        trainer.add_callback(Stop())
        try:
            return train(trainer, *given, **more)
        finally:
            reports.append(gate.report)

    with inside(folder), mock.patch.object(Trainer, "train", gated), contextlib.suppress(GateError, BegunError):
        shutil.rmtree("out", ignore_errors=True)
        datasets.config.HF_DATASETS_CACHE = folder / "cache"
        runpy.run_path(str(HOME / f"{name}.py"), run_name="__main__")
    assert reports and reports[-1] is not None
    return reports[-1]


def names() -> list[str]:
    """All scripts."""
    return sorted(file.stem for file in HOME.glob("*.py") if file.stem not in ("__init__", "running", "test_scripts"))


def main(*chosen: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder))
        for name in chosen or names():
            report = report_of(name, Path(folder))
            print(f"{name}: {report.verdict}, {report.subject['read']}")
            for one in report.findings:
                if one.verdict in ("fail", "warn", "crash", "skip"):
                    print(f"    {one.verdict} {one.check}: {one.message}")


if __name__ == "__main__":
    main(*sys.argv[1:])
