"""Keeps the forecast of a run's end up to date while it trains."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune.curves.logs.entries import evaluation, training_point
from sanetune.curves.logs.metrics import curve as curve_of_file
from sanetune.curves.logs.metrics import logged
from sanetune.curves.series import Curve
from sanetune.errors import RunError
from sanetune.events import Event, RecordLogged, TrainingStarted
from sanetune.typed_json import to_json

if TYPE_CHECKING:
    from sanetune.engine.metrics import Record
    from sanetune.evidence.experiments import Experiments
    from sanetune.forecast.outcome import OutcomeForecast
    from sanetune.planning.plan import Plan
    from sanetune.runs import Run


class OutcomeFile:
    """Writes ``outcome.json`` after each evaluation of a run, once it knows more than the trial did.

    Args:
        run: The run.
        plan: What it is to do.
        experiments: Those behind its clearance, whose forecast and comparison of learning rates are used.
    """

    def __init__(self, run: Run, plan: Plan, experiments: Experiments) -> None:
        from sanetune.forecast.beginning import planned_lrs

        self.run, self.comparison, self.trial = run, experiments.lr_comparison, experiments.outcome
        self.steps, self.lrs = plan.steps, planned_lrs(plan.steps)
        self.vocab_size = plan.sizes.model.vocabulary or None
        self.curve = Curve()

    def __call__(self, event: Event) -> None:
        """Follow the run."""
        match event:
            case TrainingStarted(step, total_steps):
                self._start(step, total_steps)
            case RecordLogged(record):
                self._add(record)

    def _start(self, step: int, total_steps: int) -> None:
        before = Curve()
        if step and self.run.metrics.is_file():
            before = curve_of_file(self.run.metrics)
        if self.trial is not None and step < self.trial.step:
            self._keep(self.trial)
        self.curve = replace(
            before,
            points=[one for one in before.points if one.step <= step],
            validation=[one for one in before.validation if one.step <= step],
            total_steps=total_steps,
            steps_per_epoch=self.steps.steps_per_epoch,
            vocab_size=self.vocab_size,
        )

    def _add(self, record: Record) -> None:
        entry = logged(
            {"kind": record.kind, "step": record.step, "loss": record.loss, "learning_rate": record.learning_rate}
        )
        if point := training_point(entry):
            self.curve.points.append(point)
        elif found := evaluation(entry):
            self.curve.validation.append(found)
            self._write()

    def _write(self) -> None:
        from sanetune.forecast.beginning import TooEarlyError, reachable
        from sanetune.forecast.outcome_of import forecast_outcome

        reached = reachable(self.comparison, self.curve) if self.comparison else None
        try:
            found = forecast_outcome(self.curve, self.lrs, reached)
        except TooEarlyError:
            return
        if self.trial is None or found.step >= self.trial.step:
            self._keep(found)

    def _keep(self, found: OutcomeForecast) -> None:
        # A full disk ends the run with the engine's own message; a forecast is no reason to.
        with suppress(RunError):
            self.run.write_json(self.run.outcome, to_json(found))
