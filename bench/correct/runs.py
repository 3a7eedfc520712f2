"""Runs of `bench.correct`: a training measured on rows that no run sees, a correction, and random configurations."""

from __future__ import annotations

import math
import random
import shutil
import time
from pathlib import Path
from typing import Any

from bench.correct.starts import Changes, Setup, Start
from bench.figures import quiet

BATCHES = ((1, 1), (2, 1), (4, 1), (4, 2), (8, 1), (8, 2))
PRECISIONS: tuple[Changes, ...] = ({}, {}, {"train.bf16": True}, {"model.dtype": "bfloat16"})


class Judge:
    """The loss of models on rows that no run sees, and on those that the sound configuration holds out."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        from sanetune.config.load import load
        from sanetune.data.prepare import prepare

        self.test_rows = prepare(load(setup.settings({}, folder / "none")))
        self.test = prepare(load(setup.settings({"data.validation": str(setup.test)}, folder / "none")))

    def on_test(self, model: Any) -> float:
        return _loss(model, self.test)

    def on_test_rows(self, model: Any) -> float:
        return _loss(model, self.test_rows)


def _loss(model: Any, prepared: Any) -> float:
    from sanetune.probes.samples import validation_loss

    loss = validation_loss(model, prepared)
    return float(loss) if loss is not None else math.nan


def train(source: Any, judge: Judge, out: Path, trial_step: int | None = None) -> dict[str, Any]:
    """One whole run without the gate: its loss on the test rows, its steps, and the held-out loss at ``look_at``."""
    from sanetune.config.load import load
    from sanetune.data.prepare import prepare
    from sanetune.engine.registry import engine_of
    from sanetune.errors import UserError
    from sanetune.events import Event, StepFinished, TrainingStarted
    from sanetune.planning import plan as planning
    from sanetune.runs import Run

    seen: dict[str, Any] = {}
    last = math.inf

    def at_trial(event: Event) -> None:
        nonlocal last
        match event:
            case TrainingStarted(_, steps):
                last = steps
            case StepFinished(step) if trial_step and step == min(trial_step, last):
                seen.update(at_trial=judge.on_test_rows(session.model), trial_steps=step)

    began = time.perf_counter()
    shutil.rmtree(out, ignore_errors=True)
    try:
        with quiet():
            config = load(source)
            prepared = prepare(config)
            config = planning.plan(config, prepared).config
            session = engine_of(config).build(config, prepared, Run.create(out))
            outcome = session.train(at_trial)
            loss = judge.on_test(outcome.model)
    except (UserError, ValueError, KeyError, RuntimeError) as error:
        return {"loss": None, "error": str(error).split("\n")[0][:200], **seen}
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {"loss": _finite(loss), "steps": outcome.steps, **seen, "seconds": round(time.perf_counter() - began, 2)}


def _finite(loss: float) -> float | None:
    return round(loss, 5) if math.isfinite(loss) else None


def correct(start: Start, setup: Setup, best: float, judge: Judge, folder: Path) -> dict[str, Any]:
    """The correction of one start, and the run that its file then describes."""
    from sanetune.config.load import load
    from sanetune.errors import UserError
    from sanetune.workflows.fix import correct as corrected

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "run.yaml"
    _write(setup.settings(start.broken(best), folder / "run"), file)
    count = Count()
    began = time.perf_counter()
    try:
        with quiet():
            done = corrected(load(file), level="trial", on_round=count)
    except UserError as error:
        return {"cleared": False, "rounds": 0, "refused": str(error)[:300], "seconds": time.perf_counter() - began}
    found: dict[str, Any] = {
        "cleared": done.report.exit_code == 0,
        "verdict": done.report.verdict.value,
        "unusable": str(done.report.unusable or ""),
        "rounds": len(done.rounds),
        "seconds": round(time.perf_counter() - began, 1),
        **count.steps,
        "changes": [[one.to_json() for one in each.changes] for each in done.rounds],
        "found": [_bad(each.report) for each in done.rounds],
        "parts": count.seconds,
        "rate": load(file).train.get("learning_rate"),
    }
    return found | {"run": train(file, judge, folder / "run")}


def _bad(report: Any) -> dict[str, str]:
    return {
        one.check: f"{one.verdict.value}: {one.message[:300]}"
        for one in report.findings
        if one.verdict.value in ("warn", "fail", "crash")
    }


def _write(settings: dict[str, Any], file: Path) -> None:
    from ruamel.yaml import YAML

    with file.open("w") as out:
        YAML().dump(settings, out)


class Count:
    """Optimizer steps that a correction makes: of trials, learning-rate comparisons and overfit tests."""

    def __init__(self) -> None:
        self.steps = {"trial_steps": 0, "branch_steps": 0, "overfit_steps": 0}
        self.seconds: list[dict[str, float]] = []
        self.comparison_steps: set[int] = set()

    def __call__(self, config: Any, evidence: Any, report: Any, before: Any) -> None:
        made = evidence.seconds
        if "trial_outcome" in made and (trial := evidence.ready("trial")) is not None:
            self.steps["trial_steps"] += trial.steps
        if "lr_comparison" in made and (comparison_steps := evidence.ready("lr_comparison")) is not None:
            known = self.comparison_steps
            self.comparison_steps = {id(one) for one in comparison_steps.runs}
            self.steps["branch_steps"] += sum(len(one.losses) for one in comparison_steps.runs if id(one) not in known)
        if "overfit" in made and (overfit := evidence.ready("overfit")) is not None:
            tries = [*overfit.attempts, *([overfit.at_planned_lr] if overfit.at_planned_lr else [])]
            self.steps["overfit_steps"] += sum(len(one.losses) - 1 for one in tries)
        self.seconds.append({name: round(value, 1) for name, value in made.items() if value > 0.5})


def drawn(seed: int) -> Changes:
    """The knobs of the correction, drawn at random from ranges in which people set them."""
    dice = random.Random(seed)
    per_device, accumulation = dice.choice(BATCHES)
    return {
        "train.learning_rate": float(f"{10 ** dice.uniform(-6, 0):.3g}"),
        "train.warmup_steps": dice.choice((0, 0.03, 0.1, 0.3, 1000)),
        "train.max_grad_norm": dice.choice((0.0, 0.3, 1.0)),
        "train.per_device_train_batch_size": per_device,
        "train.gradient_accumulation_steps": accumulation,
        "train.max_length": dice.choice((96, 128, 256, None)),
        "train.eval_strategy": dice.choice(("no", "steps")),
        **dice.choice(PRECISIONS),
    }
