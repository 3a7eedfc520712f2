"""Trainers of several processes at level ``trial``: what each has afterwards, and what a run without a check has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import Trainer

from sanetune.callback import guard
from sanetune.finding import Report
from sanetune.workflows.check import check_trainer
from tests.engine.own.strangers import run_of, same, state_of
from tests.evidence import launched

QUICK = {"overfit_steps": 10, "overfit_examples": 6, "trial_steps": 10, "samples": 2}


def rows(**keys: Any) -> Trainer:
    """Rows of unequal lengths, so that a process has more tokens than another."""
    validation = Dataset.from_list(launched.RAGGED[:21])
    rows = Dataset.from_list(launched.RAGGED)
    return launched.built(rows, **{"validation": validation, "max_steps": 6, "learning_rate": 1e-2} | keys)


class Unscaled(Trainer):
    """A loss that is the mean of its micro-batch, whatever the others have, and plain gradient steps."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
        outputs = model(**inputs)
        return (outputs.loss, outputs) if return_outputs else outputs.loss


class Counting(Trainer):
    """A loss that counts the tokens of all processes itself."""

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
        outputs = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
        labels = inputs["labels"][:, 1:]
        flat = outputs.logits[:, :-1].reshape(-1, outputs.logits.shape[-1])
        total = torch.nn.functional.cross_entropy(flat, labels.reshape(-1), reduction="sum")
        tokens = self.accelerator.gather((labels != -100).sum()).sum()
        loss = total / tokens * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


class Raises(Trainer):
    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **more: Any) -> Any:
        raise KeyError("weights")


PLAIN_STEPS = {"optim": "sgd", "max_grad_norm": 0.0}
CASES: dict[str, Callable[[], Trainer]] = {
    "rows": rows,
    "accumulated": lambda: rows(gradient_accumulation_steps=2),
    "tokens of each process alone": lambda: rows(average_tokens_across_devices=False, **PLAIN_STEPS),
    "own loss": lambda: rows(kind=Unscaled, gradient_accumulation_steps=2, **PLAIN_STEPS),
    "own loss, counting": lambda: rows(kind=Counting, **PLAIN_STEPS),
    "one batch for all": lambda: rows(accelerator_config={"split_batches": True}),
    "stream": lambda: launched.built(
        launched.Stream(launched.RAGGED),
        validation=Dataset.from_list(launched.RAGGED[:21]),
        learning_rate=1e-2,
        **launched.EACH_READS,
    ),
    "too high": lambda: rows(learning_rate=30.0, max_steps=12),
    "raises": lambda: rows(kind=Raises),
}
TESTED = ("accumulated", "own loss", "too high", "raises")
"""Cases of the tests; ``python -m bench.strangers.ranks`` has all of them."""


def said(report: Report) -> dict[str, Any]:
    return {
        "findings": {one.check: [one.verdict, one.message] for one in report.findings},
        "steps": [[point["loss"], point["grad_norm"]] for point in report.experiments["trial"]["curve"]["points"]]
        if "trial" in report.experiments
        else [],
        "unusable": str(report.unusable or ""),
    }


def outcome(build: Callable[[], Trainer]) -> dict[str, Any]:
    """What a check at level trial says, what it has changed, and the steps of the runs with and without it."""
    trainer = build()
    before = state_of(trainer)
    report = check_trainer(trainer, level="trial", select=["curve", "model-update-lost"], options=QUICK)
    changed = [name for name, value in state_of(trainer).items() if not same(before[name], value)]
    if report.unusable:
        return said(report) | {"changed": changed, "same": True, "run": []}
    run, other = run_of(trainer), run_of(build())
    steps = [[one["loss"], one["grad_norm"]] for one in other["history"] if "loss" in one]
    return said(report) | {"changed": changed, "same": same(run, other), "run": steps}


def gated() -> dict[str, Any]:
    """TRL's trainer with the gate inside of its training."""
    trainer = launched.sft(launched.chats(), max_steps=4, learning_rate=1e-2)
    gate = guard(trainer, level="trial", select=["curve-nan"])
    run = run_of(trainer)
    assert gate.report is not None
    other = run_of(launched.sft(launched.chats(), max_steps=4, learning_rate=1e-2))
    return said(gate.report) | {"changed": [], "same": same(run, other), "run": []}


def observe(file: str, names: tuple[str, ...]) -> None:
    found = {name: outcome(CASES[name]) for name in names} | {"sft": gated()}
    everyone: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, found)
    if torch.distributed.get_rank() == 0:
        by_case = {name: [one[name] for one in everyone] for name in found}
        Path(file).write_text(json.dumps(by_case))
