"""Rebuild the batch and the state of one step of a run: its rows, each with its own loss and gradient norm."""

from __future__ import annotations

import math
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.atomic import restore_non_finite
from sanetune.curves.series import Evaluation, Point
from sanetune.engine import checkpoints, step_log
from sanetune.engine.watcher import Course, StoppedByWatcherError, TrackerText
from sanetune.errors import RunError
from sanetune.events import Event, Publish, TrainingStarted, silent
from sanetune.probes.row_losses import StepRow, measured_rows, rows_of_step
from sanetune.runs import Run

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.engine.base import Session
    from sanetune.engine.step_log import LoggedStep
    from sanetune.planning.plan import Plan

UNWANTED = (
    "run.trackers=[]",
    "train.report_to=none",
    "train.push_to_hub=false",
    "train.eval_strategy=no",
    "train.save_strategy=no",
    "train.load_best_model_at_end=false",
    "train.early_stopping_patience=null",
)
"""What a run does beside its steps. None of it changes a step: evaluations draw from random states of their own."""


@dataclass(frozen=True, slots=True)
class Replay:
    """One step of a run, made again.

    Attributes:
        step: Its number, from 1.
        start: Step of the checkpoint from which it was rebuilt; 0: the base model.
        retrained: Steps between that and this one which were made again first.
        exact: Whether its state was rebuilt; if not, rows are measured with the weights of ``start``.
        reason: Why it was not, in a sentence.
        logged_loss: The loss that the run had at this step, in nats per token in the loss.
        loss: The loss when it was made again; None: it was not.
        logged_grad_norm: Norm of all gradients that the run had, before clipping.
        grad_norm: The same when it was made again.
        same_rows: Whether it had the same rows; None: it was not made again.
        rows: Of the step, the worst first.
        weights: What those were measured with, in words; empty: they were not.
        nan_since: First of the steps whose losses are no numbers that lead to this one; None: there is none before it.
    """

    step: int
    start: int
    retrained: int
    exact: bool
    reason: str
    logged_loss: float
    loss: float | None
    logged_grad_norm: float
    grad_norm: float | None
    same_rows: bool | None
    rows: Sequence[StepRow]
    weights: str
    nan_since: int | None = None

    @property
    def same_loss(self) -> bool | None:
        """Whether the loss is the logged one to the last bit of 32; None: the step was not made again."""
        if self.loss is None:
            return None
        made = struct.unpack("<f", struct.pack("<f", self.loss))[0]
        return made == self.logged_loss or (math.isnan(made) and math.isnan(self.logged_loss))

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        return {
            "schema": 1,
            "step": self.step,
            "start": self.start,
            "retrained": self.retrained,
            "exact": self.exact,
            "reason": self.reason,
            "logged_loss": self.logged_loss,
            "loss": self.loss,
            "same_loss": self.same_loss,
            "logged_grad_norm": self.logged_grad_norm,
            "grad_norm": self.grad_norm,
            "same_rows": self.same_rows,
            "rows": [row.to_json() for row in self.rows],
            "weights": self.weights,
            "nan_since": self.nan_since,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Replay:
        """Read what :meth:`to_json` returns, after a file."""
        rows = [StepRow.from_json(row) for row in plain["rows"]]
        values: dict[str, Any] = {
            name: restore_non_finite(plain[name]) for name in plain if name not in ("schema", "same_loss", "rows")
        }
        return cls(**values, rows=rows)


def replay(path: Path, step: int, publish: Publish = silent) -> Replay:
    """Make step ``step`` of a run again: from the last checkpoint before it, with the steps in between.

    Nothing is written into the run.

    Args:
        path: The run's folder.
        step: Optimizer step, from 1.
        publish: Gets the events of preparation and training.

    Raises:
        RunError: The run has no such step, or did not log its steps.
    """
    from sanetune.config.load import load
    from sanetune.data.prepare import prepare
    from sanetune.engine.registry import engine_of
    from sanetune.planning.plan import plan

    run = Run.open(path)
    logged = _logged(run, step)
    with tempfile.TemporaryDirectory(prefix="sanetune-") as folder:
        scratch = Run(Path(folder) / "run")
        start = _start(run, scratch, step)
        config = load(run.config, [*UNWANTED, f"run.output_dir={scratch.path}"])
        prepared = prepare(config, publish=publish)
        planned = plan(config, prepared)
        session = engine_of(planned.config).build(planned.config, prepared, scratch, resume=start > 0)
        reason = _not_exact(step_log.processes_of(run.steps, start, step), planned)
        watcher = _OneStep(session, prepared, logged, start, exact=not reason)
        try:
            session.train(_until(step, publish), watcher)
        except StoppedByWatcherError:
            return replace(watcher.result(reason), nan_since=_nan_since(run, step))
    total = units.many(planned.steps.total_steps, "step")
    raise RunError(f"Step {step:,} was not reached again: this configuration makes {total}.")


def _until(step: int, publish: Publish) -> Publish:
    """``publish`` with ``step`` as the last one: the run is left after it, and so is the time that it would take."""

    def follow(event: Event) -> None:
        publish(replace(event, total_steps=step) if isinstance(event, TrainingStarted) else event)

    return follow


def _logged(run: Run, step: int) -> LoggedStep:
    """The step as the run logged it."""
    found = step_log.step_of(run.steps, step)
    if found is not None:
        return found
    there = [one.step for path in step_log.files(run.steps)[:1] for one in step_log.read(path)]
    if not there:
        raise RunError(
            f"{run.path} has no log of its steps.",
            "It says which rows each step was trained on.",
            "Runs of this version write one (steps/); train again.",
        )
    raise RunError(f"{run.path} has no step {step:,}; it made the steps {there[0]:,} to {there[-1]:,}.")


def _nan_since(run: Run, step: int) -> int | None:
    """The first of the steps without a number that lead to ``step``; None where that has one, or is the first."""
    since: int | None = None
    for one in (one for path in step_log.files(run.steps)[:1] for one in step_log.read(path)):
        if one.step > step:
            break
        since = None if math.isfinite(one.loss) else since or one.step
    return since if since != step else None


def _start(run: Run, scratch: Run, step: int) -> int:
    """Link the last checkpoint before ``step`` into ``scratch``; returns its step, 0 where there is none."""
    scratch.checkpoints.mkdir(parents=True)
    before = [
        (made, path)
        for path in checkpoints.complete(run.checkpoints)
        if (made := checkpoints.step_of(path)) is not None and made < step
    ]
    if not before:
        return 0
    made, path = before[-1]
    (scratch.checkpoints / path.name).symlink_to(path.resolve(), target_is_directory=True)
    return made


def _not_exact(then: set[int], planned: Plan) -> str:
    """Why the steps up to it, which so many processes made, cannot be made again here."""
    now = planned.sizes.machine.devices
    if then <= {now}:
        return ""
    counts = " and ".join(f"{one:,}" for one in sorted(then))
    return f"the steps were made by {counts} {'process' if then == {1} else 'processes'}, and this is {now:,}"


class _OneStep:
    """Lets a run come to one step, measures its rows before it is made, and leaves after it
    (:class:`sanetune.engine.watcher.RunWatcher`)."""

    every = 1
    keeps = False

    def __init__(self, session: Session, prepared: Prepared, logged: LoggedStep, start: int, *, exact: bool) -> None:
        self._session, self._prepared, self._logged, self._start, self._exact = session, prepared, logged, start, exact
        self.ahead: int | None = logged.step if exact else start + 1
        self._rows: list[StepRow] = []
        self._weights = ""
        self._same_rows: bool | None = None
        self._made: Point | None = None

    def begin(self, step: int) -> None:
        """Nothing is to be taken over."""

    def before(self, rows: Sequence[int]) -> None:
        """Measure the rows of the step, with the weights that it starts from or, where those cannot be had, with those
        of the checkpoint."""
        logged = self._logged
        if self._exact:
            self._same_rows = sorted(rows) == sorted(logged.rows)
        numbers = list(rows) if self._exact else list(logged.rows)
        model = self._session.whole_model
        if model is None:
            self._rows = rows_of_step(self._prepared, numbers)
        else:
            self._rows = measured_rows(model, self._prepared, numbers)
            state = f"step {logged.step - 1:,}" if self._exact else f"checkpoint-{self._start}"
            self._weights = "the base model" if self._exact and logged.step == 1 else f"the weights of {state}"
            if not self._exact and not self._start:
                self._weights = "the base model"
        if not self._exact:
            raise StoppedByWatcherError(self._start)

    def steps(self, points: Sequence[Point]) -> Course:
        """Go on up to the step, and leave after it."""
        self._made = points[-1]
        return Course.LEAVE if points[-1].step >= self._logged.step else Course.ON

    def evaluated(self, evaluation: Evaluation, sets: Mapping[str, Evaluation]) -> Course:
        """Evaluations are off."""
        return Course.ON

    def texts(self) -> list[TrackerText]:
        """No tracker follows."""
        return []

    def kept(self, step: int | None) -> None:
        """Nothing is kept."""

    def result(self, reason: str) -> Replay:
        """What was found."""
        logged, made = self._logged, self._made if self._exact else None
        return Replay(
            step=logged.step,
            start=self._start,
            retrained=max(0, logged.step - 1 - self._start) if self._exact else 0,
            exact=self._exact,
            reason=reason,
            logged_loss=logged.loss,
            loss=None if made is None else made.loss,
            logged_grad_norm=logged.grad_norm,
            grad_norm=None if made is None else made.grad_norm,
            same_rows=self._same_rows,
            rows=self._rows,
            weights=self._weights,
        )
