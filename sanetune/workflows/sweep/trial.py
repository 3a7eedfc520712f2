"""One trial of a sweep: a short run on the whole schedule, evaluated on the validation rows."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.curves.series import Evaluation, Point
from sanetune.errors import DataError
from sanetune.events import ProbeStep, Publish, silent
from sanetune.gate.fingerprint import model_identity
from sanetune.gate.identity import Identity
from sanetune.workflows.sweep.in_effect import in_effect
from sanetune.workflows.sweep.result import State, SweepTrial
from sanetune.workflows.sweep.space import Changes, as_overrides
from sanetune.workflows.sweep.store import key_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.data.prepare import Prepared
    from sanetune.engine.base import StepBatches
    from sanetune.planning.learning_rates import Method
    from sanetune.planning.plan import Plan
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.heldout import HeldOutRows

FIXED_BATCHES = 10
"""Evaluations of the fixed evaluation batch in one trial."""
RISEN = 1.5
"""Times its first loss from which on the fixed batch's loss, staying there, ends a trial."""

Prune = Callable[[int, float], str]
"""Gets a step and the fixed batch's loss; returns why the trial is to end, or ""."""


def never(step: int, loss: float) -> str:
    """Prune no trial."""
    return ""


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """A trial that may be made.

    Attributes:
        key: See :func:`sanetune.workflows.sweep.store.key_of`.
        changes: What it changes of the configuration.
        plan: Of the run that it is the short form of.
        steps: Its optimizer steps.
    """

    key: str
    changes: Changes
    plan: Plan
    steps: int

    @property
    def warmup_steps(self) -> int:
        """Steps of warm-up: the same share of the steps as in the whole run, rounded up."""
        whole = self.plan.steps
        return min(self.steps, math.ceil(whole.warmup_steps * self.steps / max(1, whole.total_steps)))


@dataclass(slots=True)
class Bench:
    """What all trials of one process share: the configuration, its rows, and the base model, loaded once.

    Attributes:
        config: The configuration, as it was given.
        prepared: Its rows.
        steps: Optimizer steps of each trial, at most.
        publish: Gets the steps of trials.
        start: Evaluation of the base; None: the first trial makes it.
        split: Split of the rows that trials are compared on; known once ``start`` is.
        lr_of: Method that the configuration's learning rate is for; None: trials say their learning rates.
        notes: What is to be said of the trials that were planned.
    """

    config: Config
    prepared: Prepared
    steps: int
    publish: Publish = silent
    start: Evaluation | None = None
    split: str = "validation"
    lr_of: Method | None = None
    notes: list[str] = field(default_factory=list)
    _models: dict[str, PreTrainedModel] = field(default_factory=dict)
    _identity: dict[str, Identity] = field(default_factory=dict)

    def planned(self, changes: Changes) -> PlannedTrial:
        """Return the trial that makes ``changes``, as far as they change anything: see :meth:`in_effect`.

        Raises:
            ConfigError: The configuration refuses them.
            ModelError: A file of the base cannot be read.
        """
        from sanetune.planning.plan import plan

        # No trial has a base of its own: it is read once.
        self._identity = self._identity or model_identity(self.config)
        changes = self.in_effect(changes)
        found = plan(load(self.config, list(as_overrides(changes))), self.prepared)
        steps = min(self.steps, found.steps.total_steps)
        key = key_of(found.config, changes, steps, self.prepared.fingerprint, self._identity)
        return PlannedTrial(key, changes, found, steps)

    def in_effect(self, changes: Changes) -> Changes:
        """Return what a trial changes that is to make ``changes``; see :func:`sanetune.workflows.sweep.in_effect`."""
        found, notes = in_effect(self.config, changes, self.lr_of, self.prepared.tokenizer)
        self.notes += [note for note in notes if note not in self.notes]
        return found

    def run(self, trial: PlannedTrial, prune: Prune = never) -> SweepTrial:
        """Make ``trial``; afterwards nothing of it is left but its figures."""
        from sanetune.engine.base import ShortRun
        from sanetune.probes.harness import probe_harness
        from sanetune.probes.heldout import evaluate_rows, held_out_rows

        began = time.perf_counter()
        with probe_harness(trial.plan.config, self.prepared, model=self._base(trial.plan.config)) as harness:
            rows = held_out_rows(harness)
            if not len(rows):
                raise too_few_rows()
            if self.start is None:
                self.start, self.split = evaluate_rows(harness, rows, 0), rows.source
            watch = _Watch(harness, rows, trial, prune, self.publish)
            short = ShortRun(trial.steps, trial.steps, trial.warmup_steps, rows.left)
            harness.session.train_briefly(short, watch)
            last = evaluate_rows(harness, rows, watch.steps)
        state = "diverged" if watch.state == "done" and not math.isfinite(last.loss) else watch.state
        return SweepTrial(
            trial.key,
            dict(trial.changes),
            trial.plan.steps.learning_rate,
            trial.steps,
            watch.steps,
            state,
            watch.reason or ("the validation loss is not a number" if state == "diverged" else ""),
            [point.loss for point in watch.points],
            watch.curve,
            last,
            time.perf_counter() - began,
        )

    def measure_start(self) -> None:
        """Evaluate the base, without a trial."""
        from sanetune.probes.harness import probe_harness
        from sanetune.probes.heldout import evaluate_rows, held_out_rows

        plan = self.planned({}).plan
        with probe_harness(plan.config, self.prepared, model=self._base(plan.config)) as harness:
            rows = held_out_rows(harness)
            if not len(rows):
                raise too_few_rows()
            self.start, self.split = evaluate_rows(harness, rows, 0), rows.source

    def critical(self, changes: Changes) -> tuple[float | None, float]:
        """Measure the critical learning rate of a trial's model and batches.

        Returns:
            The learning rate (None: none was found), and what it took, in optimizer steps.
        """
        from sanetune.probes.harness import probe_harness
        from sanetune.probes.lr_search import find_critical_lr
        from sanetune.workflows.sweep.probe_cost import CountedHarness

        plan = self.planned(changes).plan
        with probe_harness(plan.config, self.prepared, model=self._base(plan.config)) as harness:
            counted = CountedHarness.of(harness)
            return find_critical_lr(counted, plan.steps.learning_rate).lr, counted.steps

    def _base(self, config: Config) -> PreTrainedModel | None:
        """A copy of the base model as ``config`` trains it; None where it has to be loaded in another way."""
        from sanetune.engine.models import load_model, train_dtype

        if config.model.quantization:
            return None
        given = config.train.given
        dtype = str(train_dtype(config.model, bf16=bool(given.get("bf16")), fp16=bool(given.get("fp16"))))
        kind = f"{dtype}/{config.model.attention}"
        if kind not in self._models:
            self._models[kind] = load_model(config.model, dtype=dtype)
        return copy.deepcopy(self._models[kind])


def too_few_rows() -> DataError:
    """The error where there is nothing to compare trials on."""
    return DataError(
        "There are too few rows to hold some out.",
        "The trials of a sweep are compared on rows that none of them is trained on.",
        "Add rows, or give data.validation.",
    )


class _Watch:
    """Records a trial, and ends it early where it has diverged or is pruned. A ``StepWatcher``."""

    def __init__(
        self, harness: ProbeHarness, rows: HeldOutRows, trial: PlannedTrial, prune: Prune, publish: Publish
    ) -> None:
        from sanetune.probes.trial import EarlyStop

        self.harness, self.fixed, self.trial, self.prune, self.publish = harness, rows.few(), trial, prune, publish
        self.points: list[Point] = []
        self.evaluations: list[Evaluation] = []
        self.steps, self.reason = 0, ""
        self.state: State = "done"
        self._every = max(1, trial.steps // FIXED_BATCHES)
        self._stop = EarlyStop(RISEN, 3)

    @property
    def curve(self) -> list[tuple[int, float]]:
        """Steps and losses of the fixed evaluation batch."""
        return [(one.step, one.loss) for one in self.evaluations]

    def begin(self) -> None:
        self._evaluate(0)

    def batches(self, batches: StepBatches) -> None:
        pass

    def point(self, point: Point) -> None:
        self.points.append(point)

    def step(self, step: int) -> bool:
        self.steps = step
        self.publish(ProbeStep("sweep", step, self.trial.steps))
        last = step == self.trial.steps
        if step % self._every == 0 or last:
            self._evaluate(step)
        if reason := self._stop.reason(self.points, self.evaluations):
            self.state, self.reason = "diverged", reason
        elif not last and self.evaluations[-1].step == step and (reason := self.prune(step, self.evaluations[-1].loss)):
            self.state, self.reason = "pruned", reason
        return bool(self.reason)

    def _evaluate(self, step: int) -> None:
        from sanetune.probes.heldout import evaluate_rows

        self.evaluations.append(evaluate_rows(self.harness, self.fixed, step))
