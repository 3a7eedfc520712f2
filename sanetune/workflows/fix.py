"""Check, fix the file, and check again what depends on the change, until the run is clear."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from sanetune.config.schema import Config
from sanetune.events import Publish, silent
from sanetune.evidence.registry import Evidence
from sanetune.finding import Report
from sanetune.gate.fixer import MEASURED, ROUNDS, Fixed, Round, fix, overridden, proposed
from sanetune.gate.invalidation import StillValid, still_valid
from sanetune.workflows.check import evidence_of, run_checks

OnRound = Callable[[Config, Evidence, Report, Sequence[Round]], None]
"""Called after the checks of each round, while its evidence is there, with the rounds before it."""


def correct(
    config: Config,
    overrides: Sequence[str] = (),
    *,
    level: str | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    later: str | None = None,
    publish: Publish = silent,
    on_round: OnRound = lambda config, evidence, report, before: None,
) -> Fixed:
    """Apply fixes to the file behind ``config``, round by round.

    A round makes only the evidence and the findings again that depend on what was changed. What is found without the
    model is fixed first: a trial of a run that will be another one says nothing, and what it would say about the
    learning rate (in bf16 weights, with a batch of all rows) does not hold for the fixed run.

    Args:
        config: The configuration, loaded from its file.
        overrides: ``section.key=value``, each; these keys are left alone.
        level: How deep the checks go in the end; None: as ``check.level`` says.
        select: Names of checks or families; none: those of ``check.select``.
        ignore: Names that are left out, besides those of ``check.ignore``.
        later: Level of a check that will follow: what that will measure is left alone. None: there is none.
        publish: Gets the events of every round.
        on_round: Called after each round's checks, while the evidence is there.
    """
    last: tuple[Evidence, Report] | None = None
    deep = level or config.check.level
    fixed = overridden(overrides)

    with tempfile.TemporaryDirectory(prefix="sanetune-") as folder:

        def check(config: Config, before: list[Round]) -> Report:
            nonlocal last
            changed = [change.key for change in before[-1].changes] if before else []
            kept = still_valid(*last, changed) if last else StillValid()
            # Each round writes into a folder of its own: what still holds is in those before.
            scratch = Path(tempfile.mkdtemp(dir=folder))
            with evidence_of(config, publish, deep, kept.evidence, scratch) as evidence:
                report = run_checks(config, evidence, select, ignore, "static", kept.findings)
                made = [change for one in before for change in one.changes]
                fixable = len(before) < ROUNDS and proposed(report, config, fixed | MEASURED, made)
                if deep != "static" and not fixable:
                    known = {**kept.findings, **{one.check: one for one in report.findings}}
                    began = report.seconds
                    report = run_checks(config, evidence, select, ignore, deep, known)
                    report = replace(report, seconds=report.seconds + began)
                on_round(config, evidence, report, before)
            last = evidence, report
            return report

        return fix(config, tuple(overrides), check, later or deep)
