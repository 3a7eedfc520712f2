"""Runs of `bench.auto`: the autopilot from one start, and what its model is worth on rows that it never saw."""

from __future__ import annotations

import gc
import math
import re
import shutil
import time
from pathlib import Path
from typing import Any

from bench.auto.starts import AutoStart
from bench.correct.runs import _write as write_settings
from bench.correct.starts import Setup
from bench.figures import quiet

BUDGET = 7200.0
"""Seconds of each start: some fifty times what it takes on a quiet core, since other programs may share it."""


class Truth:
    """Losses of models on the test rows of a set-up, which are in no run's data, and the base's beside them."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        from sanetune.config.load import load
        from sanetune.data.prepare import prepare

        settings = setup.settings({"data.validation": str(setup.test), "data.holdout": None}, folder / "none")
        self.config = load(settings)
        self.prepared = prepare(self.config)
        self.base = self._losses(None)

    def _losses(self, folder: Path | None) -> Any:
        from sanetune.engine.models import fit_to_tokenizer, load_model
        from sanetune.probes.document_losses import document_losses

        section = self.config.model
        if folder is not None:
            section = section.model_copy(update={"name": str(folder)})
        model = load_model(section)
        fit_to_tokenizer(model, self.prepared.tokenizer)
        try:
            return document_losses(model, self.prepared)
        finally:
            del model
            gc.collect()

    def on_test(self, model: Any) -> float:
        """The loss of a model that is in memory."""
        from sanetune.probes.document_losses import document_losses

        return float(document_losses(model, self.prepared).loss)

    def of(self, folder: Path) -> dict[str, Any]:
        """The loss of the model in ``folder``, and whether it is better than the base: a paired test at 5 %."""
        found = self._losses(folder)
        difference = found.over(self.base)
        mean, p = (math.nan, 1.0) if difference is None else (difference.mean, difference.p)
        better = p < 0.05 and mean < 0
        worse = not math.isfinite(found.loss) or (p < 0.05 and mean > 0)
        verdict = "better" if better else "worse" if worse else "no difference shown"
        return {"loss": found.loss, "base": self.base.loss, "difference": mean, "p": p, "truth": verdict}


def best_known(setup: Setup, lr: float, truth: Truth, out: Path) -> dict[str, Any]:
    """One run of the sound configuration at a learning rate of the grid, without gate and autopilot."""
    from bench.correct.runs import train

    began = time.process_time()
    found = train(setup.settings({"train.learning_rate": lr}, out), truth, out)  # type: ignore[arg-type]
    cpu = round(time.process_time() - began, 2)
    loss = math.nan if found["loss"] is None else found["loss"]
    return {"rate": lr, "base": truth.base.loss, **found, "loss": loss, "cpu": cpu}


def ended_run(start: AutoStart, setup: Setup, best: float, truth: Truth, folder: Path) -> dict[str, Any]:
    """The autopilot from ``start``, and the truth about its model, promoted or not."""
    from sanetune.errors import UserError
    from sanetune.events import AutoDone, Event
    from sanetune.workflows.auto.journal import NAME, Journal
    from sanetune.workflows.auto.request import Budget, Request
    from sanetune.workflows.auto.run import auto

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_settings(start.settings(setup, best, folder), folder / "start.yaml")
    began, cpu = time.perf_counter(), time.process_time()
    acts: list[tuple[str, float]] = []

    def note(event: Event) -> None:
        if isinstance(event, AutoDone):
            acts.append((event.entry["act"], round(time.process_time() - cpu, 1)))

    try:
        with quiet():
            result = auto(
                Request(source=str(folder / "start.yaml"), budget=Budget(BUDGET)), folder / "auto", publish=note
            )
    except UserError as error:
        return {
            "outcome": "refused",
            "reason": str(error)[:400],
            "seconds": time.perf_counter() - began,
            "cpu": round(time.process_time() - cpu, 2),
        }
    spent = round(time.process_time() - cpu, 2)
    kept = folder.parent / "journals" / f"{re.sub(r'[^a-z0-9]+', '-', start.key.lower())}.jsonl"
    kept.parent.mkdir(exist_ok=True)
    shutil.copyfile(folder / "auto" / NAME, kept)
    known = result.known
    entries = Journal.read(folder / "auto").entries
    found: dict[str, Any] = {
        "outcome": known.outcome,
        "reason": known.reason[:400],
        "attempts": known.attempt,
        "seconds": round(known.spent, 1),
        "cpu": spent,
        "acts": acts,
        "limit": known.limit,
        "decisions": [[one["state"], one["chosen"]] for one in entries if one["kind"] == "decided"],
        "fixed": {} if known.checked is None else known.checked.changes,
        "cleaned": {} if known.copied is None else known.copied.left_out,
    }
    model = folder / "auto" / "model"
    if not model.is_dir():
        model = folder / "auto" / "runs" / f"attempt-{known.attempt}" / "model"
    if model.is_dir():
        found |= truth.of(model)
    return found
