"""Clear a planned run before it is trained, or refuse it."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sanetune.atomic import write_text
from sanetune.config import yaml_edit
from sanetune.config.machine import process_count
from sanetune.config.schema import Config
from sanetune.errors import UserError
from sanetune.events import ClearanceMissing, Publish, RunRefused, silent
from sanetune.evidence.registry import LEVELS, BrokenError, Evidence, MissingError
from sanetune.finding import GateError, Report, Verdict
from sanetune.gate.catalogue import chosen
from sanetune.gate.clearance import Clearance, cleared, unchecked_run
from sanetune.gate.clearance_file import read_clearance, withdraw_clearance, write_clearance
from sanetune.gate.differences import differences, missing_checks
from sanetune.gate.fingerprint import Fingerprint, changed_since, fingerprint
from sanetune.rng import kept_random_states
from sanetune.runs import Run
from sanetune.text import shortest_path
from sanetune.workflows.check import evidence_of, run_checks

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan

T = TypeVar("T")

RANKS = ("ranks-alone", "ranks-disagree")
"""Checks of a launch: what they find holds for no other one."""


@dataclass(frozen=True, slots=True)
class ClearanceStatus:
    """A run before training.

    Attributes:
        fingerprint: What a clearance has to be about.
        clearance: One that fits; None: there is none.
        reasons: Why there is none.
    """

    fingerprint: Fingerprint
    clearance: Clearance | None = None
    reasons: list[str] = field(default_factory=list)


def require_clearance(
    config: Config,
    plan: Plan,
    prepared: Prepared,
    publish: Publish = silent,
    *,
    resume: bool = False,
    unchecked: str | None = None,
) -> Clearance:
    """Return the clearance with which a planned run may start: the one in its folder, or that of a check made now.

    Of several processes all call this and all run the check, because its passes through the model are made by all
    together; what the main one decides holds for all.

    Args:
        config: The configuration as it was loaded.
        plan: What the run will do.
        prepared: Its rows.
        publish: Gets why the run is checked, the check, and a refusal.
        resume: Whether the run goes on from a checkpoint.
        unchecked: A reason to train without a check; then none is made.

    Raises:
        GateError: Where the check fails.
    """
    assert plan.config.run.output_dir is not None
    run = Run(plan.config.run.output_dir)
    if not resume:
        run.check_free()  # before anything that takes long
    status = _of_main(lambda: _status(config, plan, prepared, run, resume, unchecked))
    if status.clearance is not None:
        _require_one_run(config, plan, prepared, status.clearance, publish)
        return status.clearance
    publish(ClearanceMissing(tuple(status.reasons), config.check.level))
    report = _check(config, plan, prepared, publish)
    return _of_main(lambda: _judge(report, status.fingerprint, publish))


def require_stored_clearance(
    config: Config, plan: Plan, prepared: Prepared, publish: Publish = silent, *, resume: bool = False
) -> Clearance:
    """Return the clearance that is in the run's folder: the gate of a program, for which no check is made here.

    Args:
        config: The configuration as it was loaded.
        plan: What the run will do.
        prepared: Its rows.
        publish: Gets nothing: nothing is done here that takes long.
        resume: Whether the run goes on from a checkpoint.

    Raises:
        GateError: There is none that proves this very run.
    """
    assert plan.config.run.output_dir is not None
    run = Run(plan.config.run.output_dir)
    if not resume:
        run.check_free()
    status = _status(config, plan, prepared, run, resume, None)
    if status.clearance is None or not status.clearance.proves:
        reasons = "; ".join(status.reasons[:5]) or "it was cleared unchecked"
        raise GateError(
            f"the run has no clearance that fits: {reasons}",
            "Nobody has proved that it is worth its cost.",
            f"Check it first, at level {config.check.level}: a check that does not fail clears it.",
        )
    return status.clearance


def _require_one_run(config: Config, plan: Plan, prepared: Prepared, found: Clearance, publish: Publish) -> None:
    """Compare the processes of this launch with one process, where the check behind ``found`` could not.

    A check that was made by one process, on another machine perhaps, says nothing of this launch.
    """
    skipped = {outcome.check for outcome in found.of(Verdict.SKIP)} & set(_required(config))
    names = [name for name in RANKS if name in skipped]
    if process_count() == 1 or not names or not found.proves:
        return
    report = _check(config, plan, prepared, publish, names)
    _of_main(lambda: _judge(report, found.fingerprint, publish))


def _status(
    config: Config, plan: Plan, prepared: Prepared, run: Run, resume: bool, unchecked: str | None
) -> ClearanceStatus:
    now = fingerprint(plan, prepared)
    if unchecked is not None:
        return ClearanceStatus(now, unchecked_run(unchecked, now))
    found, missing = read_clearance(run)
    reasons = [missing] if found is None else misfits(config, found, now, resume=resume)
    return ClearanceStatus(now, None if reasons else found, reasons)


def clearance_status(config: Config, publish: Publish = silent) -> ClearanceStatus:
    """Return whether the run that ``config`` describes has a clearance that fits. Rows are prepared, not checked.

    Raises:
        UserError: The run cannot be planned.
    """
    from sanetune.data.prepare import prepare
    from sanetune.planning.plan import plan

    prepared = prepare(config, publish=publish)
    planned = plan(config, prepared)
    assert planned.config.run.output_dir is not None
    return _status(config, planned, prepared, Run(planned.config.run.output_dir), False, None)


def misfits(config: Config, found: Clearance, now: Fingerprint, *, resume: bool = False) -> list[str]:
    """Return why ``found`` does not clear a run with the fingerprint ``now`` under ``config``; nothing where it does.

    A run that trains unchecked, for a reason that was given, goes on so with ``resume``.
    """
    if changed := differences(found.fingerprint, now):
        return changed
    if not found.proves:
        return [] if resume else [f"nothing was checked so far: {found.unchecked}"]
    level = config.check.level
    if not found.level or LEVELS.index(found.level) < LEVELS.index(level):
        return [f"it is of level {found.level}, and check.level asks for {level}"]
    return missing_checks(found, _required(config))


def _required(config: Config) -> list[str]:
    """The checks that ``config`` asks for."""
    section = config.check
    names = [check.name for check in chosen(section.select, section.ignore, section.level)]
    return [name for name in names if section.severity.get(name) != "off"]


def _check(config: Config, plan: Plan, prepared: Prepared, publish: Publish, select: Sequence[str] = ()) -> Report:
    """Check rows and plan that are there already; ``select``: by these checks alone, or by all.

    Random states are put back, so that a run computes the same whether it was cleared before or now.
    """
    from sanetune.evidence.from_config import given_rows

    given = {**given_rows(config, prepared), "plan": plan}
    level = config.check.level
    # Loaded before, since the check loads them and draws.
    with kept_random_states(load=True), _memory_freed(), evidence_of(config, publish, level, given) as evidence:
        return run_checks(config, evidence, select, level=level)


def _judge(report: Report, now: Fingerprint, publish: Publish) -> Clearance:
    if report.verdict is not Verdict.FAIL:
        return cleared(report, now)
    publish(RunRefused(report))
    if report.unusable is not None:
        raise report.unusable
    report.raise_if_failed()
    raise AssertionError("a report that failed raises")


@contextlib.contextmanager
def _memory_freed() -> Iterator[None]:
    """Free the memory of the model that was checked, so that the one that is trained has all of it."""
    import torch

    try:
        yield
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _of_main(made: Callable[[], T]) -> T:
    """What ``made`` gives on the main process, on all of them; what the user can fix ends them all."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    state = PartialState()
    if state.num_processes == 1:
        return made()
    answer: list[Any] = [None, False]
    error: UserError | None = None
    if state.is_main_process:
        try:
            answer = [made(), True]
        except UserError as caught:
            error = caught
    broadcast_object_list(answer)
    if not answer[1]:
        raise error or GateError("the main process has refused this run")
    value: T = answer[0]
    return value


def fingerprint_of(evidence: Evidence) -> Fingerprint | None:
    """Return the fingerprint of the run behind ``evidence``; None where it cannot be planned."""
    try:
        return fingerprint(evidence["plan"], evidence["prepared"])
    except (MissingError, BrokenError, UserError):
        return None


def store_clearance(config: Config, report: Report, evidence: Evidence, *, partial: bool) -> str:
    """Leave a clearance in the run of ``config`` where a check has earned one, or withdraw one that it refutes.

    Args:
        config: The configuration that was checked.
        report: What the check found.
        evidence: What it was made from; nothing is stored of a run that cannot be planned.
        partial: Whether the command line left checks out.

    Returns:
        What was done, in a sentence; "" where there is nothing to say.
    """
    now = fingerprint_of(evidence)
    if now is None or config.run.output_dir is None:
        return ""
    run = Run(config.run.output_dir)
    found, _ = read_clearance(run)
    if report.verdict is Verdict.FAIL:
        refuted = found is not None and found.proves and not run.finished
        if refuted and found is not None and not differences(found.fingerprint, now):
            withdraw_clearance(run)
            return "The clearance that the run had is withdrawn."
        return ""
    if partial:
        return "No clearance: --select or --ignore left checks out (check.ignore in the file would count)."
    if LEVELS.index(report.level) < LEVELS.index(config.check.level):
        return f"No clearance: this was level {report.level}, and check.level asks for {config.check.level}."
    if changed := changed_since(config, time.time() - report.seconds):
        return f"No clearance: {shortest_path(changed)} was changed during the check."
    if run.finished:
        return f"The run in {shortest_path(run.path)} is finished and keeps the clearance that it was trained with."
    if run.strangers:
        return f"No clearance: {shortest_path(run.path)} is not empty and not a run folder."
    try:
        write_clearance(run, cleared(report, now))
        if not run.versions.is_file():  # not begun: with its configuration it has a page before the first step
            write_text(run.config, yaml_edit.dump(evidence["plan"].config))
    except UserError as error:
        return f"No clearance: {error.message}"
    return f"Clearance: {shortest_path(run.clearance)}. Training starts with it as long as nothing changes."
