"""Train the cleared run under watch, or go on from the last checkpoint of one that was killed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from sanetune.curves.logs.metrics import curve
from sanetune.errors import UserError
from sanetune.finding import GateError
from sanetune.gate.watch_report import WatchReport
from sanetune.runs import Run
from sanetune.workflows.auto.acts.site import Site
from sanetune.workflows.auto.facts import Trained
from sanetune.workflows.auto.known import Known

if TYPE_CHECKING:
    from sanetune.config.schema import Config


def train(site: Site, known: Known, values: Mapping[str, Any]) -> Trained:
    """Train the attempt ``values["attempt"]``.

    Raises:
        UserError: It cannot be trained.
        BudgetSpentError: The budget was spent; a checkpoint is there.
    """
    from sanetune.engine import checkpoints
    from sanetune.workflows.clear import require_clearance
    from sanetune.workflows.run_state import read_state
    from sanetune.workflows.train import train as trained

    config = site.open_config(known)
    run = site.run(int(values["attempt"]))
    state = read_state(run)
    steps = known.checked.steps if known.checked else 0
    if run.finished and state is not None and state.phase == "finished":
        return ended(run, steps)
    if (stopped := _stopped(run, steps)) is not None:
        return stopped
    resume = checkpoints.resume_point(run.checkpoints).path is not None
    if not resume and run.path.is_dir():
        _clear(run)
    gate = partial(require_clearance, config, resume=resume)
    try:
        trained(config, resume=resume, publish=site.publish, gate=gate)
    except GateError as error:
        return _stopped(run, steps) or Trained(
            str(run.path), "refused", 0, steps, (), f"the gate refuses it: {error.headline}"
        )
    return ended(run, steps)


def steps_kept(run: Run) -> int:
    """Return the optimizer steps that the newest whole checkpoint has; 0: there is none."""
    from sanetune.engine import checkpoints

    newest = checkpoints.latest(run.checkpoints)
    return 0 if newest is None else checkpoints.step_of(newest) or 0


def _clear(run: Run) -> None:
    """Take away what a run that was killed before its first checkpoint has left; its clearance stays."""
    if not run.strangers:
        Run.create(run.path, overwrite=True)


def ended(run: Run, steps: int) -> Trained:
    """Return how a run that has a model ended."""
    report = _watched(run)
    turned = report is not None and report.ended is not None
    if turned and report is not None and report.ended is not None:
        names = ", ".join(report.ended.checks)
        reason = f"{names} at step {report.ended.step:,}: the best checkpoint has become the model"
        return Trained(str(run.path), "turned", report.ended.step, steps, report.ended.checks, reason)
    return Trained(str(run.path), "finished", steps, steps, falling=_falling(run))


def _falling(run: Run) -> bool:
    """Whether the validation loss was lowest at the last of several evaluations."""
    losses = [point.loss for point in curve(run.metrics).validation] if run.metrics.is_file() else []
    return len(losses) > 1 and losses[-1] <= min(losses)


def _stopped(run: Run, steps: int) -> Trained | None:
    """How the watch stopped a run; None: it did not."""
    report = _watched(run)
    if report is None or report.ended is None or report.ended.course != "stop":
        return None
    names = report.ended.checks
    found = [one.live.finding for one in report.findings if one.live.finding.check in names]
    change: dict[str, Any] = {}
    for finding in found:
        change |= {key: value for key, value in finding.fix.items() if key not in change}
    reason = "; ".join(f"{one.check}: {one.message.rstrip('.')}" for one in found)
    return Trained(
        str(run.path), "stopped", report.ended.step, steps, names, f"the watch has stopped it: {reason}", change
    )


def _watched(run: Run) -> WatchReport | None:
    try:
        return WatchReport.from_json(run.read_json(run.watch)) if run.watch.is_file() else None
    except (UserError, ValueError, KeyError, TypeError):
        return None


def config_of(run: Run) -> Config:
    """Return the resolved configuration of a run."""
    from sanetune.config.load import load

    return load(run.config)
