"""Watch a run while it trains: judge its curve, name the rows behind a finding, and keep both in ``watch.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sanetune.curves.logs.entries import VALIDATION_LOSS
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.engine import step_log
from sanetune.engine.metrics import curve_of, read
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.engine.watcher import Course, TrackerText
from sanetune.events import Publish, WatchFired
from sanetune.evidence.step_rows import NO_NUMBERS
from sanetune.finding import REFUSING, GateError
from sanetune.gate.overfit_answers import CHECK, overfit_answers
from sanetune.gate.watch import EVERY, SOURCE, LiveFinding, Watch, course_of, live_checks
from sanetune.gate.watch_report import Ended, WatchFinding, WatchReport, tracker_text
from sanetune.gate.watch_sets import WatchedSets
from sanetune.planning.defaults import usual_lr
from sanetune.runs import Run
from sanetune.workflows.check import rules_of
from sanetune.workflows.run_samples import RunSamples

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedModel

    from sanetune.data.prepare import Prepared
    from sanetune.planning.plan import Plan
    from sanetune.probes.row_losses import StepRow

BEGINNING = "curve-start-high"
"""The check of how a run begins, which the gate makes before it."""


class RunWatch:
    """The watcher of one run (:class:`sanetune.engine.watcher.RunWatcher`).

    Args:
        plan: What the run will do.
        prepared: Its rows.
        run: Its folder.
        publish: Gets what is found.
        model: Gives the model as it is now; None where no process has all of it.
        unchecked: Whether somebody has said that nothing has to be checked. How the run begins is accepted with that,
            and only warns.
    """

    every = EVERY
    ahead: int | None = None

    def __init__(
        self,
        plan: Plan,
        prepared: Prepared,
        run: Run,
        publish: Publish,
        model: Callable[[], PreTrainedModel | None],
        *,
        unchecked: bool = False,
    ) -> None:
        section = plan.config.check
        checks = [] if section.watch == "off" else live_checks(section.select, section.ignore)
        rules = rules_of(plan.config)
        if unchecked:
            rules = replace(rules, severity={BEGINNING: "warn", **rules.severity})
        self.watch = Watch(_facts(plan), checks, rules)
        self.sets = WatchedSets(self.watch.curve, checks, rules)
        self.report = WatchReport(section.watch)
        self._plan, self._prepared, self._run, self._publish, self._model = plan, prepared, run, publish, model
        self._texts: list[TrackerText] = []
        self._last = plan.steps.total_steps
        own = plan.config.run
        self._samples = RunSamples(prepared, run, own.sample_prompts, own.samples, publish, model)
        self.keeps = section.watch == "stop"

    # ---- what the engine calls ----

    def begin(self, step: int) -> None:
        """Take over what an earlier part of the run has made and found, up to ``step``."""
        self._samples.begin(step)
        points, logged = _made(self._run, step)
        if step and self._run.watch.is_file():
            before = WatchReport.from_json(self._run.read_json(self._run.watch))
            self.report.findings = [one for one in before.findings if one.live.step <= step]
        found = [one.live for one in self.report.findings]
        self.watch.restore(points, logged.validation, [one for one in found if not one.of])
        self.sets.restore(logged.sets, found)
        self._write()

    def before(self, rows: Sequence[int]) -> None:
        """Nothing is wanted ahead."""

    def steps(self, points: Sequence[Point]) -> Course:
        """Judge the curve with these steps."""
        return self._found(self.watch.steps(points))

    def evaluated(self, evaluation: Evaluation, sets: Mapping[str, Evaluation]) -> Course:
        """Judge the curve with this evaluation, and with those of ``sets``, which end nothing."""
        text = self._samples.ask(evaluation.step, last=evaluation.step >= self._last)
        self._texts += [] if text is None else [text]
        of_others = self.sets.evaluated(sets)
        return self._found([*self.sets.named(self.watch.evaluated(evaluation), VALIDATION_LOSS), *of_others])

    def texts(self) -> list[TrackerText]:
        """Return what the trackers do not have yet."""
        texts, self._texts = self._texts, []
        return texts

    def kept(self, step: int | None) -> None:
        """Note the checkpoint that the run is left with; rows whose losses were no numbers are measured with it."""
        assert self.report.ended is not None
        self.report.ended = replace(self.report.ended, checkpoint=step)
        if self.report.ended.course == Course.STOP.value and step is not None:
            for one in self.report.findings:
                if one.rows and not one.weights:
                    self._name_rows(one, f"checkpoint-{step}")
        self._write()

    # ---- findings ----

    def error(self) -> GateError:
        """What ends the command after a stop."""
        return self.report.error(self._last)

    def _found(self, found: Sequence[LiveFinding]) -> Course:
        if not found:
            return Course.ON
        course = course_of(found, self.report.mode)
        if course is not Course.ON:
            checks = tuple(one.finding.check for one in found if one.finding.verdict in REFUSING)
            self.report.ended = Ended(self.watch.curve.step, course.value, checks)
        for live in found:
            entry = WatchFinding(live)
            if live.finding.check == CHECK:
                answers = overfit_answers(live.finding, self._plan.config, self._plan.sizes)
                entry.answers = [one.to_json() for one in answers]
            self._name_rows(entry, f"the weights after step {live.step:,}")
            self.report.findings.append(entry)
            self._texts.append(tracker_text(entry))
            self._publish(WatchFired(entry))
        self._write()
        return course

    def _name_rows(self, entry: WatchFinding, weights: str) -> None:
        """Add the rows of the finding's step, measured with the model as it is now, which ``weights`` names."""
        from sanetune.probes.row_losses import rows_of_step

        made = None if entry.live.at is None else step_log.step_of(self._run.steps, entry.live.at)
        if made is None or not made.rows:
            return
        model = self._model()
        rows = rows_of_step(self._prepared, made.rows)
        entry.weights, entry.reason = "", "the model is sharded over processes"
        if model is not None:
            measured, entry.reason = self._measured(model, made.rows)
            if any(row.loss is not None and math.isfinite(row.loss) for row in measured):
                rows, entry.weights = measured, weights
            elif not entry.reason:
                entry.reason = NO_NUMBERS
        entry.rows = [row.to_json() for row in rows]

    def _measured(self, model: PreTrainedModel, numbers: Sequence[int]) -> tuple[list[StepRow], str]:
        """The rows' losses and gradient norms; none where the memory does not suffice, which must not end the run, and
        the reason."""
        from sanetune.probes.row_losses import measured_rows

        try:
            return measured_rows(model, self._prepared, numbers), ""
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return [], "the memory does not suffice"

    def _write(self) -> None:
        if self.report.mode == "off":
            return
        self._run.write_json(self._run.watch, self.report.to_json())


def _facts(plan: Plan) -> Curve:
    given, steps = plan.config.train.given, plan.steps
    return Curve(
        total_steps=steps.total_steps,
        steps_per_epoch=steps.steps_per_epoch,
        warmup_steps=steps.warmup_steps,
        vocab_size=plan.sizes.model.vocabulary or None,
        planned_lr=steps.learning_rate,
        usual_lr=usual_lr(plan.config, plan.sizes.model),
        max_grad_norm=given.get("max_grad_norm", 1.0),
        source=SOURCE,
    )


def _made(run: Run, step: int) -> tuple[list[Point], Curve]:
    """The steps of the run up to ``step``, and its logged curve; learning rates are those of its records."""
    if not step or not run.metrics.is_file():
        return [], Curve()
    logged = curve_of(record for record in read(run.metrics) if record.step <= step)
    lrs = {point.step: point for point in logged.points}
    points, at = [], None
    for file in step_log.files(run.steps)[:1]:
        for one in step_log.read(file):
            if one.step <= step:
                at = lrs.get(one.step, at)
                norm = None if math.isnan(one.grad_norm) and math.isfinite(one.loss) else one.grad_norm
                points.append(Point(one.step, one.loss, None if at is None else at.lr, norm))
    return points or logged.points, logged
