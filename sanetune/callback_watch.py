"""The watch in somebody's own training script: a callback that judges the curve while any Trainer trains."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import ExportableState
from transformers.trainer_utils import SaveStrategy

from sanetune.callback import caller_of
from sanetune.curves.broken import broken_from
from sanetune.curves.logs.entries import VALIDATION_LOSS, evaluation, set_evaluations
from sanetune.curves.objective import objective_of
from sanetune.curves.series import Curve, Evaluation, Point
from sanetune.engine.own.ending import end, weights_are_numbers
from sanetune.engine.tracker_texts import posting
from sanetune.engine.tracker_thread import TrackerThread, finish
from sanetune.engine.watched_steps import logged_point
from sanetune.engine.watcher import Course, TrackerText
from sanetune.finding import REFUSING
from sanetune.gate import watch as judging
from sanetune.gate.overfit_answers import CHECK, answers_of_trainer
from sanetune.gate.runner import Rules
from sanetune.gate.trainer_advice import TrainerAdvice
from sanetune.gate.trainer_curve import deciding_loss, facts_of
from sanetune.gate.watch import EVERY, SOURCE, LiveFinding, course_of, live_checks
from sanetune.gate.watch_report import Ended, WatchFinding, WatchReport, tracker_text
from sanetune.gate.watch_rows import measured_after_stop, name_rows
from sanetune.gate.watch_sets import WatchedSets

if TYPE_CHECKING:
    from rich.console import Console
    from torch.optim.lr_scheduler import LRScheduler
    from torch.utils.data import DataLoader
    from transformers import TrainerControl, TrainerState, TrainingArguments

COURSES = tuple(Course)
REPORT = "watch.json"
POST_SECONDS = 1.0
"""Time for which the run waits for a tracker to take a finding, once: a trainer may close its trackers right after."""


@dataclass(slots=True)
class _Step:
    """A step whose loss is still on the device: the trainer's sum since its last record, and the step of that."""

    step: int
    epoch: float | None
    lr: float | None
    total: torch.Tensor
    logged: int
    grad_norm: float | None = None


class Watch(TrainerCallback, ExportableState):
    """Judges the curve of a trainer while it trains: ``trainer.add_callback(sanetune.Watch())``.

    A curve that fails ends the run after a checkpoint, and ``train()`` raises; where the validation loss has turned,
    the checkpoint with the lowest is loaded, and ``train()`` returns. What is found is printed to standard error, given
    as text to TensorBoard, W&B, trackio or MLflow where the trainer reports to them, kept in ``findings``, and written
    to ``watch.json`` in the output folder. Of several processes the main one judges, and all of them end together.

    Losses of single steps are used, whatever ``logging_steps`` is. ``logging_nan_inf_filter`` is switched off, since it
    hides what is looked for.

    Args:
        mode: ``stop``, or ``warn``: nothing is ended, and no checkpoint is written that would not be.
        select: Names of checks; none: all that can judge a growing curve.
        ignore: Names of checks that are left out.
        limits: Check -> limit -> value, in place of its own.

    Raises:
        sanetune.finding.GateError: At the end of training, where a curve that fails has ended it; and at the start of
            one that goes on from where the watch has ended it, unless ``mode`` is ``warn``.
    """

    def __init__(
        self,
        mode: Literal["stop", "warn"] = "stop",
        *,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        limits: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        if mode not in ("stop", "warn"):
            raise ValueError(f"mode is {mode!r}, not 'stop' or 'warn'")
        self.mode = mode
        self.checks = live_checks(select, ignore)
        self.options = {"mode": mode, "select": list(select), "ignore": list(ignore), "limits": dict(limits or {})}
        self.rules = Rules(self.options["limits"])  # type: ignore[arg-type]
        self.stored: dict[str, Any] = {}
        """The curve as a checkpoint has it."""
        self._begin()

    def _begin(self) -> None:
        self._watch = judging.Watch(Curve(source=SOURCE), self.checks, self.rules)
        self._sets = WatchedSets(self._watch.curve, self.checks, self.rules)
        self._decides = VALIDATION_LOSS
        self._report = WatchReport(self.mode)
        self._trainer: Trainer | None = None
        self._loader: DataLoader[Any] | None = None
        self._advice: TrainerAdvice | None = None
        self._open: list[_Step] = []
        self._names: set[str] = set()
        self._posts: dict[str, TrackerThread] = {}
        self._lowest: Evaluation | None = None

    @property
    def findings(self) -> list[LiveFinding]:
        """What was found so far, in this order."""
        return [one.live for one in self._report.findings]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        stored = {"curve": self._watch.curve.to_json(), "report": self._report.to_json()}
        return {"args": self.options, "attributes": {"stored": stored if self._trainer else {}}}

    # ---- what transformers calls ----

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        train_dataloader: DataLoader[Any] | None = None,
        **kwargs: object,
    ) -> None:
        """Find the trainer, and go on with the curve that the checkpoint has."""
        stored = self.stored or ((state.stateful_callbacks or {}).get(type(self).__name__) or {})
        stored = stored.get("attributes", {}).get("stored", stored) if isinstance(stored, dict) else {}
        self._begin()
        self._trainer, self._loader = caller_of(self), train_dataloader
        self._advice = TrainerAdvice.of(self._trainer)
        args.logging_nan_inf_filter = False
        self._watch.curve.facts = facts_of(self._trainer, args, state)
        if state.global_step and stored.get("curve"):
            self._watch.curve.restore(stored["curve"])
            before = WatchReport.from_json(stored["report"])
            if self.mode == "stop" and before.ended is not None:
                raise before.again()
            self._report.findings = before.findings
            self._watch.restored([one for one in self.findings if not one.of])
        if state.global_step and not weights_are_numbers(self._trainer):
            damaged = WatchReport.damaged(state.global_step)
            if self.mode == "stop":
                raise damaged
            if state.is_world_process_zero:
                print(f"Watch: {damaged}", file=sys.stderr)
        if state.is_world_process_zero and (Path(args.output_dir) / REPORT).exists():
            self._write(args)  # what is there is of an earlier run, or of steps that are made again
        self._decides = deciding_loss(self._trainer, args)
        for entry in state.log_history:
            if evaluation(entry, self._decides) is None:
                self._sets.restore({name: [one] for name, one in set_evaluations(entry).items()}, self.findings)
        made = [one for entry in state.log_history if (one := evaluation(entry, self._decides))]
        self._lowest = min((one for one in made if math.isfinite(one.loss)), key=lambda one: one.loss, default=None)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        lr_scheduler: LRScheduler | None = None,
        **kwargs: object,
    ) -> None:
        """Note the loss of the step on the device; read and judge some together."""
        self._keep_sound(control)
        trainer = self._trainer
        total = getattr(trainer, "_tr_loss", None)
        if trainer is None or self._report.ended is not None or not isinstance(total, torch.Tensor):
            return
        lr = (
            float(lr_scheduler.get_last_lr()[0])
            if lr_scheduler is not None and hasattr(lr_scheduler, "get_last_lr")
            else None
        )
        # The newest one waits for its gradient norm, which comes with its record.
        ends = state.global_step >= state.max_steps
        if len(self._open) >= EVERY:
            self._steps(self._open)
            self._open = self._open[-1:]
        logged = int(getattr(trainer, "_globalstep_last_logged", 0))
        self._open.append(_Step(state.global_step, state.epoch, lr, total.detach().clone(), logged))
        if ends:
            self._steps(self._open)
            self._open = []

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Save no weights that are no numbers."""
        self._keep_sound(control)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        """Take the gradient norm of a step, and the whole record where the trainer has no losses of single steps."""
        self._names.update(logs or {})
        if objective := objective_of(self._names):
            self._watch.curve.facts = replace(self._watch.curve.facts, objective=objective)
        if (point := logged_point(state, logs)) is None or self._report.ended is not None:
            return
        if self._open and self._open[-1].step == point.step:
            self._open[-1].grad_norm, self._open[-1].lr = point.grad_norm, point.lr
        elif not isinstance(getattr(self._trainer, "_tr_loss", None), torch.Tensor):
            self._steer(self._watch.steps([point]) if state.is_world_process_zero else [])

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, Any] | None = None,
        **kwargs: object,
    ) -> None:
        """Judge an evaluation; the checkpoint of a lowest one is kept, which a turn goes back to."""
        entry = (metrics or {}) | {"step": state.global_step}
        if self._trainer is None or self._report.ended is not None:
            return
        sets = set_evaluations(entry)
        if (found := evaluation(entry, self._decides)) is None:
            # Evaluated by itself, ahead of the set that decides or after it.
            self._steer(self._sets.evaluated(sets) if state.is_world_process_zero else [])
            return
        if math.isfinite(found.loss) and (self._lowest is None or found.loss < self._lowest.loss):
            self._lowest = found
            keeps = self.mode == "stop" and args.save_strategy not in (SaveStrategy.NO, SaveStrategy.BEST)
            control.should_save |= keeps and 0 < found.step < state.max_steps
            if keeps and args.metric_for_best_model is None:
                # Rotation spares it. Where the trainer has a metric, what is best is the trainer's to note.
                state.best_global_step = found.step
        new = self._watch.evaluated(found) if state.is_world_process_zero else []
        self._steer(self._sets.named(new, self._decides))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Raise on all processes where the curve has ended the run; rows of losses that were no numbers are measured
        with the checkpoint that is left."""
        finish(self._posts.values(), POST_SECONDS)
        ended = self._report.ended
        if ended is None or ended.course != Course.STOP.value:
            return
        assert self._trainer is not None
        if measured := measured_after_stop(self._report, self._trainer, self._loader):
            self._write(args)
            self._show_rows(measured)
        raise self._report.error(state.max_steps)

    def _keep_sound(self, control: TrainerControl) -> None:
        """Save no weights that are no numbers: rotation would delete the last sound checkpoint for them."""
        if self.mode == "stop" and control.should_save and self._trainer is not None:
            control.should_save = weights_are_numbers(self._trainer)

    # ---- judging ----

    def _steps(self, steps: Sequence[_Step]) -> None:
        """Judge steps that were made; the first of them may have been judged before."""
        assert self._trainer is not None
        totals = torch.stack([one.total.double() for one in steps])
        totals = self._trainer.accelerator.reduce(totals, "mean").tolist()
        points, last = [], self._watch.curve.step
        for place, (one, total) in enumerate(zip(steps, totals, strict=True)):
            before = steps[place - 1] if place else None
            if before is None and one.step <= last:
                continue
            same = before is not None and before.logged == one.logged
            loss = total - totals[place - 1] if same else total
            points.append(Point(one.step, loss, one.lr, one.grad_norm, one.epoch))
        self._steer(self._watch.steps(points) if self._trainer.is_world_process_zero() else [])

    def _steer(self, found: Sequence[LiveFinding]) -> None:
        """Publish what the main process has found, and follow its decision on all of them."""
        trainer = self._trainer
        assert trainer is not None
        for live in found:
            self._publish(live)
        course = course_of(found, self.mode)
        code = torch.tensor(COURSES.index(course), device=trainer.args.device)
        course = COURSES[int(trainer.accelerator.reduce(code, "sum"))]
        if course is not Course.ON:
            checks = tuple(one.finding.check for one in found if one.finding.verdict in REFUSING)
            self._report.ended = Ended(trainer.state.global_step, course.value, checks)
            kept = end(trainer, course, self._lowest, broken_from(self._watch.curve.last))
            self._report.ended = replace(self._report.ended, checkpoint=kept)
        if trainer.is_world_process_zero() and (found or course is not Course.ON):
            self._write(trainer.args)
        if course is Course.TURN and trainer.is_world_process_zero() and self._report.ended is not None:
            print(self._report.ended.words, file=sys.stderr)

    def _write(self, args: TrainingArguments) -> None:
        from sanetune.atomic import write_json

        write_json(Path(args.output_dir) / REPORT, self._report.to_json())

    def _publish(self, live: LiveFinding) -> None:
        from rich.console import Console

        from sanetune.report.terminal import watch as view

        assert self._trainer is not None and self._advice is not None
        finding = live.finding
        if finding.check == CHECK:
            answers = answers_of_trainer(finding, self._trainer)
            finding = replace(finding, answers=[one.to_json() for one in answers])
        finding = self._advice.rewritten(finding)
        entry = WatchFinding(replace(live, finding=replace(finding, answers=[])), answers=finding.answers)
        name_rows(entry, self._trainer, self._loader)
        self._report.findings.append(entry)
        console = Console(stderr=True, highlight=False)
        view.show(entry, console)
        self._post(tracker_text(entry), console)

    def _show_rows(self, entries: Sequence[WatchFinding]) -> None:
        from rich.console import Console

        from sanetune.report.terminal import watch as view

        for one in entries:
            view.show_rows(one.rows, one.weights, one.live.at, Console(stderr=True, highlight=False))

    def _post(self, text: TrackerText, console: Console) -> None:
        """Give ``text`` to the trainer's trackers, each in a thread of its own: the first wait is a second at most."""
        assert self._trainer is not None
        for callback in self._trainer.callback_handler.callbacks:
            if (post := posting(callback, text)) is not None:
                name = type(callback).__name__
                thread = self._posts.setdefault(name, TrackerThread(name, console.print, f"{REPORT} has all findings"))
                thread.call(post)
                thread.wait(POST_SECONDS)
                thread.inspect()
