"""Check, fix, and check again, until the gate clears the run or nothing more can be fixed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sanetune.evidence.experiments import Experiments
from sanetune.gate.clearance_file import read_clearance, withdraw_clearance
from sanetune.runs import Run
from sanetune.workflows.auto.acts.inspection import budget_keys, found_in
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Checked
from sanetune.workflows.auto.known import Known

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence
    from sanetune.finding import Report
    from sanetune.gate.fixer import Round
    from sanetune.probes.results import LearningRateComparison


def check(site: Site, known: Known, values: Mapping[str, Any]) -> Checked:
    """Check at ``values["level"]``, with ``values["changes"]`` made first.

    Raises:
        UserError: The input cannot be used, and no value that would fix it is known.
    """
    # The budget may be another one than at the beginning: --resume can raise it.
    config = site.changed(known, {**budget_keys(known), **values.get("changes", {})}, "fits the budget")
    return checked(site, config, str(values.get("level", config.check.level)))


def checked(site: Site, config: Config, level: str) -> Checked:
    """Check ``config``, whose file is fixed, and leave a clearance in its run where it earns one."""
    from sanetune.workflows.clear import store_clearance
    from sanetune.workflows.fix import correct

    began = time.perf_counter()
    note, steps, lr = "", 0, 0.0
    assert config.run.output_dir is not None
    run = Run(config.run.output_dir)
    withdraw_clearance(run)

    def on_round(settings: Config, evidence: Evidence, report: Report, before: Sequence[Round]) -> None:
        nonlocal note, steps, lr
        note = store_clearance(settings, report, evidence, partial=False)
        if (planned := evidence.ready("plan")) is not None:
            steps, lr = planned.steps.total_steps, planned.steps.learning_rate

    done = correct(config, level=level, publish=site.publish, on_round=on_round)
    report = done.report
    clearance, _ = read_clearance(run)
    return Checked(
        verdict=report.verdict.value,
        level=level,
        found=found_in(report),
        changes={one.key: one.after for one in done.changes},
        cleared=clearance is not None and clearance.proves and report.verdict.value != "fail",
        note=note,
        unusable="" if report.unusable is None else report.unusable.headline,
        steps=steps,
        lr=lr,
        seconds=round(time.perf_counter() - began, 2),
        **_measured(report),
        config=site.text(),
    )


def _measured(report: Report) -> dict[str, Any]:
    """What the experiments have measured."""
    found = Experiments.from_json(report.experiments)
    values: dict[str, Any] = {}
    if (forecast := found.forecast) is not None:
        values |= {"run_seconds": round(forecast.seconds.high, 2), "step_seconds": round(forecast.step_seconds.high, 4)}
    if (trial := found.trial) is not None and trial.curve.validation:
        first, last = trial.curve.validation[0], trial.curve.validation[-1]
        values |= {"start": first.loss, "held_out": last.loss}
    if trial is not None:
        whole = float(report.evidence_seconds.get("trial_outcome", 0.0))
        values["answer_seconds"] = round(max(0.0, whole - sum(trial.timing.step_seconds)), 2)
    if (outcome := found.outcome) is not None:
        values |= {"failing": outcome.failing, "outlook": outcome.verdict}
    if (compared := found.lr_comparison) is not None:
        values |= {"lrs": len(compared.runs), "at_edge": _at_edge(compared)}
    return values


def _at_edge(compared: LearningRateComparison) -> bool:
    """Whether the lowest or highest of the learning rates ended best, so that a better one may lie beyond it."""
    runs = sorted(compared.runs, key=lambda one: one.lr)
    return compared.best is None or len(runs) < 2 or compared.best in (runs[0], runs[-1])
