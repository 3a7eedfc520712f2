"""Say what happens while sanetune works, as plain values, and the one way to make it known.

Whoever does the work calls ``publish(event)``; whoever wants to follow is a function that takes an event: a view on the
terminal, the metrics file, a page that is kept up to date. The work does not know who follows, and never draws.

Example:
    >>> seen = []
    >>> publish = to_all(seen.append, silent)
    >>> with bracket(publish, PreparationStarted(), PreparationEnded()):
    ...     publish(RowsProcessed(12))
    >>> [type(event).__name__ for event in seen]
    ['PreparationStarted', 'RowsProcessed', 'PreparationEnded']

In a launch of several processes events are published by the main one alone, unless it is said otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sanetune.data.prepare import Prepared
    from sanetune.engine.metrics import Record
    from sanetune.finding import Finding, Report
    from sanetune.gate.clearance import Clearance
    from sanetune.gate.watch_report import WatchFinding
    from sanetune.planning.plan import Plan
    from sanetune.runs import Run
    from sanetune.workflows.sweep.result import SweepTrial
    from sanetune.workflows.train import Trained


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""


Publish = Callable[[Event], None]
"""Makes an event known; also the type of those who follow: functions that take an event."""


def silent(event: Event) -> None:
    """Do nothing with ``event``: nobody follows."""


def to_all(*followers: Publish) -> Publish:
    """Return one function that passes each event on to ``followers``, in their order."""

    def publish(event: Event) -> None:
        for follower in followers:
            follower(event)

    return publish


@contextlib.contextmanager
def bracket(publish: Publish, first: Event, last: Event) -> Iterator[None]:
    """Publish ``first`` now and ``last`` at the end, also after an error."""
    publish(first)
    try:
        yield
    finally:
        publish(last)


# -- data ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreparationStarted(Event):
    """Rows are about to be rendered and tokenized, or read from the cache."""


@dataclass(frozen=True, slots=True)
class RowsProcessed(Event):
    """So many ``rows`` (documents, where batches are read) of the piece of work under way are done."""

    rows: int


@dataclass(frozen=True, slots=True)
class PreparationEnded(Event):
    """The rows are ready, or an error ended their preparation."""


# -- checks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChecksStarted(Event):
    """Evidence is about to be built, and checks to run on it."""


@dataclass(frozen=True, slots=True)
class EvidenceStarted(Event):
    """The evidence ``name`` is about to be built, from pieces that are ready."""

    name: str


@dataclass(frozen=True, slots=True)
class ProbeStep(Event):
    """An experiment on the model, named as its evidence, has made ``step`` of about ``steps`` optimizer steps."""

    probe: str
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class CheckStarted(Event):
    """The check ``name`` is about to run; ``done`` of ``total`` checks are done."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CheckFinished(Event):
    """A check has come to its ``finding``, with the user's severity; ``done`` of ``total`` checks are done."""

    finding: Finding
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ChecksEnded(Event):
    """All checks are done, or an error ended them."""


# -- clearance and run --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClearanceMissing(Event):
    """The run has no clearance that fits, for ``reasons``; it is about to be checked at ``level``."""

    reasons: tuple[str, ...]
    level: str


@dataclass(frozen=True, slots=True)
class RunRefused(Event):
    """The check before training has failed, as ``report`` says; nothing is trained."""

    report: Report


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A planned run is about to begin in its folder; ``clearance`` is None where no gate was asked."""

    run: Run
    plan: Plan
    prepared: Prepared
    clearance: Clearance | None


@dataclass(frozen=True, slots=True)
class RunStopped(Event):
    """An ``error`` or the user has ended the run before it was finished."""

    run: Run
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    """The tuned model is in the run's folder, and both models' answers are compared."""

    result: Trained


# -- training -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrainingStarted(Event):
    """The training loop begins, or goes on, after ``step`` of ``total_steps`` optimizer steps."""

    step: int
    total_steps: int


@dataclass(frozen=True, slots=True)
class StepFinished(Event):
    """``step`` optimizer steps are done."""

    step: int


@dataclass(frozen=True, slots=True)
class RecordLogged(Event):
    """The loop has logged a ``record``: of training steps, or of an evaluation of the validation rows."""

    record: Record


@dataclass(frozen=True, slots=True)
class WatchFired(Event):
    """A check of the growing curve has found something."""

    finding: WatchFinding


@dataclass(frozen=True, slots=True)
class Note(Event):
    """Something that the user should know, in a sentence: a signal came, a checkpoint was written."""

    text: str


@dataclass(frozen=True, slots=True)
class TrainingEnded(Event):
    """The training loop is over, in whatever way; published once for each :class:`TrainingStarted`."""


# -- evaluation ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EvaluationStarted(Event):
    """lm-eval is about to measure the ``model``, base or tuned."""

    model: str


@dataclass(frozen=True, slots=True)
class EvaluationStep(Event):
    """``model`` has answered ``done`` of ``total`` requests of one kind; the others take about ``seconds_left``."""

    model: str
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True, slots=True)
class EvaluationEnded(Event):
    """A model is measured, or an error ended it."""


# -- sweeps -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SweepTrialMade(Event):
    """A trial of a sweep is there, made now or by an earlier sweep; ``done`` of about ``total`` are."""

    trial: SweepTrial
    done: int
    total: int
    made_now: bool


# -- autopilot ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AutoDecided(Event):
    """The autopilot has decided something, and written it down as this ``entry`` of its journal."""

    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AutoDone(Event):
    """The autopilot has done what it decided on; ``seconds`` are spent in all."""

    entry: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class AutoEnded(Event):
    """The autopilot has come to an end, and its ``folder`` has everything that its page shows."""

    folder: Path


@dataclass(frozen=True, slots=True)
class AgentAsked(Event):
    """``text`` is about to be sent to the endpoint at ``address``, for ``purpose``."""

    purpose: str
    address: str
    text: str
