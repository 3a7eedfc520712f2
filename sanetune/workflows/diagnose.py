"""Run the checks whose evidence is a curve on the log of a run, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sanetune import units
from sanetune.checks.base import LOG_TOO_SHORT, Check
from sanetune.config.trl_fields import fields
from sanetune.curves.best_checkpoint import BestCheckpoint, best_checkpoint, is_better_than_start
from sanetune.curves.broken import sound_until
from sanetune.curves.changes import complete, finite, last_step, points_of
from sanetune.curves.logs.find import logs
from sanetune.curves.logs.log import OURS, Log
from sanetune.curves.series import Curve, Evaluation
from sanetune.errors import DataError, RunError, UserError
from sanetune.evidence.registry import Evidence
from sanetune.finding import BAD, Report, Verdict
from sanetune.gate.catalogue import chosen, require_some
from sanetune.gate.overfit_answers import with_answers
from sanetune.gate.runner import report, run
from sanetune.gate.trainer_advice import TrainerAdvice
from sanetune.gate.validation_sets import judge_sets
from sanetune.gate.watch_report import WatchFinding
from sanetune.text import shortest_path
from sanetune.workflows.diagnose_answers import answers_to, by_loss, unlike_known
from sanetune.workflows.diagnose_folder import ended_by, saved_steps, watch_findings, with_facts

EVIDENCE = "curve"
LEVEL = "log"
"""The level of such a report: what a log alone can show."""
USELESS = ("curve-diverged", "curve-plateau")
NONE_IS_BETTER = "none: no evaluation is lower than the loss that the run began with"
"""What is said instead of a checkpoint where the run has diverged or learned nothing."""

TRUNCATED = "not known: the end of the log is missing, and with it evaluations that may be lower"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the log of one run shows.

    Attributes:
        log: The log.
        curve: Its losses.
        report: The findings.
        best: The checkpoint to keep; None where the evaluations do not say, or none is better than the start.
        watched: What our watch had found while the run trained and is not among the findings.
    """

    log: Log
    curve: Curve
    report: Report
    best: BestCheckpoint | None
    watched: Sequence[WatchFinding] = ()

    @property
    def too_short(self) -> list[str]:
        """The checks that could judge a longer log of the same kind."""
        return _too_short(self.report)

    def to_json(self) -> dict[str, Any]:
        """The report with the facts of the log."""
        best = self.best
        return {
            "log": {
                "path": str(self.log.path),
                "kind": self.log.kind,
                "title": self.log.title,
                "notes": list(self.log.notes),
                "losses": len(self.curve.points),
                "evaluations": len(self.curve.validation),
                "validation_losses": self.log.validation_losses,
                "last_step": last_step(self.curve),
                "total_steps": self.curve.total_steps,
                "finished": complete(self.curve),
            },
            "too_short": self.too_short,
            "keep": None if best is None else {"step": best.step, "loss": best.loss, "saved": best.saved},
            "watched": [_of_watch(one) for one in self.watched],
            **self.report.to_json(),
        }


def diagnose(
    paths: Sequence[Path],
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    on_unread: Callable[[UserError], None] | None = None,
    *,
    from_scratch: bool = False,
) -> Iterator[Diagnosis]:
    """Diagnose every log in ``paths``, one after another.

    Args:
        paths: Files and folders; see :func:`sanetune.curves.logs.find.logs`.
        select: Names of checks; none: all that a curve is enough for.
        ignore: Names that are left out.
        on_unread: Called for a path that holds no log, which is passed over; None: that raises.
        from_scratch: Whether the runs began from random weights, whatever their logs say.

    Raises:
        DataError: A path holds no log of a run.
        RunError: A record of our own run is damaged.
        ConfigError: A name is no check, or none is left.
    """
    checks = [check for check in chosen(list(select), list(ignore), "trial") if set(check.needs) <= {EVIDENCE}]
    require_some(checks, select, ignore, "that a log is enough for")
    for path in paths:
        try:
            read = logs(path)
        except (DataError, RunError) as error:
            if on_unread is None:
                raise
            on_unread(error)
            continue
        for log in read:
            curve = with_facts(log.curve(), log)
            curve = replace(curve, from_scratch=from_scratch or curve.from_scratch)
            curve = replace(curve, ended_by=ended_by(log, curve))
            best = None if log.is_truncated else best_checkpoint(curve, saved_steps(log))
            found = _judged(checks, curve)
            useless = any(one.check in USELESS for one in found.of(*BAD))
            keep = TRUNCATED if log.is_truncated else _advice(best, curve)
            if best and useless and not is_better_than_start(best, curve):
                best, keep = None, NONE_IS_BETTER
            found.subject.update(_subject(log, curve, keep))
            found = unlike_known(by_loss(with_answers(found, answers_to(log)), log), log)
            if too_short := _too_short(found):
                of = len(found.of(Verdict.SKIP))
                found.subject["judged"] = f"too short a log for {len(too_short)} of the {of} checks that were skipped"
            watched = watch_findings(log, [one.check for one in found.of(*BAD)])
            yield Diagnosis(log, curve, found if log.kind == OURS else _of_trainer(found), best, watched)


def _judged(checks: Sequence[Check], curve: Curve) -> Report:
    """What the checks find on a curve, with each of its validation sets."""
    found = report(checks, Evidence({}, {EVIDENCE: curve}), level=LEVEL)
    if not curve.sets:
        return found
    return replace(found, findings=judge_sets(lambda one: run(checks, Evidence({}, {EVIDENCE: one})), curve))


def _too_short(found: Report) -> list[str]:
    return [finding.check for finding in found.of(Verdict.SKIP) if finding.numbers.get(LOG_TOO_SHORT)]


def _of_watch(one: WatchFinding) -> dict[str, Any]:
    finding = one.live.finding
    verdict = finding.verdict.value
    where = {"step": one.live.step, "at": one.live.at}
    return {"check": finding.check, "verdict": verdict, **where, "message": finding.message}


def _of_trainer(found: Report) -> Report:
    """The report with advice in the keywords of a Trainer: whoever ran it has no configuration of ours."""
    advice = TrainerAdvice("TrainingArguments", frozenset(fields()), is_trl=False)
    return replace(found, findings=[advice.rewritten(finding) for finding in found.findings])


def _subject(log: Log, curve: Curve, keep: str) -> dict[str, str]:
    """What was read, in words, by name."""
    title = f" ({log.title})" if log.title else ""
    lines = {"log": f"{shortest_path(log.path)}{title}", "format": log.kind, "steps": _extent(curve)}
    if points := points_of(curve):
        first, last = (f"{point.loss:.4g} at step {point.step:,}" for point in (points[0], points[-1]))
        is_last = points[-1] is curve.points[-1]
        lines["loss"] = f"{first} (first record), {last} ({'last record' if is_last else 'the last that is a number'})"
    if evaluations := finite(curve.validation):
        name, *others = log.validation_losses
        parts = [one for one in others if one not in curve.sets]
        more = "; decides which checkpoint is best" if curve.sets else ""
        more += f"; not judged, as parts of it: {', '.join(parts)}" if parts else ""
        lines[name] = f"{_course(evaluations, len(evaluations) == len(curve.validation))}{more}"
        sets = {other: (finite(one), len(one)) for other, one in curve.sets.items()}
        lines |= {other: _course(some, len(some) == count) for other, (some, count) in sets.items() if some}
    lines["keep"] = keep
    return lines | {"note": " ".join(log.notes)} if log.notes else lines


def _course(evaluations: Sequence[Evaluation], whole: bool) -> str:
    low = min(evaluations, key=lambda one: one.loss)
    end = "at the end" if whole else f"at step {evaluations[-1].step:,}, the last that is a number"
    return f"{low.loss:.4g} at its lowest (step {low.step:,}), {evaluations[-1].loss:.4g} {end}"


def _extent(curve: Curve) -> str:
    counts = [units.many(len(curve.points), "training loss", "training losses")]
    counts.append(units.many(len(curve.validation), "evaluation"))
    total = f" of {curve.total_steps:,}" if curve.total_steps else ""
    return f"{last_step(curve):,}{total}; {', '.join(counts)}"


def _advice(best: BestCheckpoint | None, curve: Curve) -> str:
    """Which checkpoint to keep, and why, in words."""
    name = curve.validation_name or "validation loss"
    if best is None:
        if (until := sound_until(curve)) is not None:
            return f"none: after step {until:,} losses are no numbers, and no checkpoint before that is known"
        return "fewer than two evaluations: the log does not say which checkpoint is best"
    weights = f"checkpoint-{best.step}" if best.saved == best.step else f"the weights of step {best.step:,}"
    saved = "" if best.saved in (None, best.step) else f"; of the saved ones keep checkpoint-{best.saved}"
    if best.sound_until is not None:
        there = "the last that is saved before" if best.loss is None else f"{name} {best.loss:.4g} there, before"
        return f"{weights}: {there} losses are no numbers, as they are after step {best.sound_until:,}{saved}"
    if best.is_last:
        return f"the last checkpoint: {name} {best.loss:.4g} at step {best.step:,} is the lowest or within 1 %"
    return f"{weights}: {name} {best.loss:.4g} there, {best.last_loss:.4g} at the last evaluation{saved}"
