"""The job behind `check --fix`: look, change the file, look again at what depends on the change, until it is clear."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.config.schema import Config
from sanetune.evidence.registry import Evidence
from sanetune.finding import Report
from sanetune.gate.fixer import MEASURED, ROUNDS, Fixed, Round, fix, held_by, wanted
from sanetune.gate.invalidation import StillValid, still_valid
from sanetune.workflows import check as checking

if TYPE_CHECKING:
    from rich.console import Console

Seen = Callable[[Config, Evidence, Report, Sequence[Round]], None]
"""Hears of each look, while its evidence is there, and of the rounds before it."""


def correct(
    config: Config,
    overrides: Sequence[str] = (),
    *,
    level: str | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    console: Console | None = None,
    seen: Seen = lambda config, evidence, report, before: None,
) -> Fixed:
    """Applies fixes to the file behind ``config``, round by round; a round makes only the evidence and the findings
    again that depend on what was changed. ``level``: open, the configuration's own.

    What is seen without the model is mended first: a trial of a run that will be another one proves nothing, and what
    it would say about the rate (in bf16 weights, with a batch of all rows) does not hold for the mended run.
    """
    last: tuple[Evidence, Report] | None = None
    deep = level or config.check.level
    held = held_by(overrides)

    with tempfile.TemporaryDirectory(prefix="sanetune-") as folder:

        def look(config: Config, before: list[Round]) -> Report:
            nonlocal last
            changed = [change.key for change in before[-1].changes] if before else []
            kept = still_valid(*last, changed) if last else StillValid()
            # Each round writes into a folder of its own: what still holds lies in those before.
            scratch = Path(tempfile.mkdtemp(dir=folder))
            with checking.evidence_of(config, console, deep, kept.evidence, scratch) as evidence:
                report = checking.look(config, evidence, select, ignore, "static", kept.findings)
                made = [change for one in before for change in one.changes]
                mended = len(before) < ROUNDS and wanted(report, config, held | MEASURED, made)
                if deep != "static" and not mended:
                    known = {**kept.findings, **{one.check: one for one in report.findings}}
                    began = report.seconds
                    report = checking.look(config, evidence, select, ignore, deep, known)
                    report = replace(report, seconds=report.seconds + began)
                seen(config, evidence, report, before)
            last = evidence, report
            return report

        return fix(config, tuple(overrides), look, deep)
