"""Check several configurations one after the other, as a job of continuous integration does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.errors import UserError
from sanetune.events import Publish, silent
from sanetune.finding import Report, all_witnesses
from sanetune.workflows.affected import affected_by, changed_since, configurations

if TYPE_CHECKING:
    from sanetune.gate.baseline import Baseline


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """One configuration and what was found.

    Attributes:
        file: The configuration.
        report: Its findings; without known ones, where there is a baseline.
        note: What became of the run's clearance, in a sentence.
        clearance: The clearance that this check has left; None: none.
    """

    file: Path
    report: Report
    note: str = ""
    clearance: Path | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which configurations are checked, and why.

    Attributes:
        configs: Those that are checked.
        left_out: Those that nothing of has changed.
        changed: Files that changed; None: all configurations are checked, whatever has changed.
    """

    configs: list[Path]
    left_out: list[Path]
    changed: list[Path] | None = None


def selection(root: Path, patterns: Sequence[str], files: Sequence[Path], since: str | None) -> Selection:
    """Return the configurations below ``root`` that a change affects.

    Args:
        root: The repository's folder.
        patterns: Of configurations; none: every YAML file that is one.
        files: Files that have changed.
        since: A commit since which files have changed; with neither ``files`` nor ``since`` all are checked.

    Raises:
        RunError: A pattern fits nothing, or git does not know the commit.
    """
    found = configurations(root, patterns)
    if not files and since is None:
        return Selection(found, [])
    changed = [*files, *(changed_since(since, root) if since is not None else ())]
    chosen = [config for config in found if affected_by(config, changed)]
    return Selection(chosen, [config for config in found if config not in chosen], changed)


def check_config(
    file: Path, level: str | None = None, baseline: Baseline | None = None, publish: Publish = silent
) -> CheckedConfig:
    """Check one configuration; an input that cannot be used is in its report.

    Args:
        file: The configuration.
        level: Deepest level of the checks; None: ``check.level``.
        baseline: What is known and does not count.
        publish: Gets what is built, and which checks run on it.
    """
    from sanetune.gate.baseline import only_new
    from sanetune.runs import Run
    from sanetune.workflows.check import evidence_of, run_checks
    from sanetune.workflows.clear import store_clearance
    from sanetune.workflows.configuration import open_config

    try:
        config, _ = open_config(file)
        depth = level or config.check.level
        with evidence_of(config, publish, depth) as evidence, all_witnesses(baseline is not None):
            full = run_checks(config, evidence, level=depth)
            note = store_clearance(config, full, evidence, partial=False)
            report = full if baseline is None else only_new(full, baseline, config)
    except UserError as error:
        return CheckedConfig(file, Report([], level or "static", subject={"config": str(file)}, unusable=error))
    folder = config.run.output_dir
    kept = folder is not None and note.startswith("Clearance: ")
    return CheckedConfig(file, report, note, Run(folder).clearance if kept and folder else None)
