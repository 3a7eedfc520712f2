"""The job behind `check --fix`: look, change the file, look again at what depends on the change, until it is clear."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune import checking
from sanetune.audit.carrying import Carried, carried
from sanetune.audit.evidence import Evidence
from sanetune.audit.fixer import Fixed, Round, fix
from sanetune.config.schema import Config
from sanetune.finding import Report

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
    again that depend on what was changed. ``level``: open, the configuration's own."""
    last: tuple[Evidence, Report] | None = None

    with tempfile.TemporaryDirectory(prefix="sanetune-") as folder:

        def look(config: Config, before: list[Round]) -> Report:
            nonlocal last
            changed = [change.key for change in before[-1].changes] if before else []
            kept = carried(*last, changed) if last else Carried()
            deep = level or config.check.level
            # Each round writes into a folder of its own: what is carried lies in those before.
            scratch = Path(tempfile.mkdtemp(dir=folder))
            with checking.evidence_of(config, console, deep, kept.evidence, scratch) as evidence:
                report = checking.look(config, evidence, select, ignore, deep, kept.findings)
                seen(config, evidence, report, before)
            last = evidence, report
            return report

        return fix(config, tuple(overrides), look)
