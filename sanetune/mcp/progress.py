"""Keeps ``progress.json`` of a job up to date with the events of its work."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sanetune import events
from sanetune.atomic import write_json
from sanetune.errors import RunError
from sanetune.events import Event
from sanetune.mcp.job_folder import Progress
from sanetune.text import one_line

SELDOM = 0.2
"""Seconds between two writes, unless the phase has changed."""


@dataclass(slots=True)
class ProgressFile:
    """A follower of events that writes how far the work is."""

    file: Path
    now: Progress = field(default_factory=Progress)
    _written: float = 0.0

    def __call__(self, event: Event) -> None:
        """Follow the work. A disk that takes no file does not end it."""
        before, self.now = self.now, after(self.now, event)
        self._write(before)

    def training(self, run: Path) -> None:
        """Note that other processes train into the folder ``run`` now: its own files say how far they are."""
        before, self.now = self.now, replace(self.now, words="training", phase="training", run=str(run.resolve()))
        self._write(before)

    def _write(self, before: Progress) -> None:
        if self.now == before or (self.now.phase == before.phase and time.monotonic() - self._written < SELDOM):
            return
        self._written = time.monotonic()
        try:
            write_json(self.file, asdict(self.now))
        except RunError:
            return


def after(now: Progress, event: Event) -> Progress:
    """Return how far the work is after ``event``.

    >>> after(Progress(), events.CheckStarted("rows-leaked", 3, 40)).words
    'rows-leaked'
    """
    match event:
        case events.PreparationStarted():
            return replace(now, done=0.0, total=None, words="preparing rows", phase="preparing")
        case events.RowsProcessed(rows):
            return replace(now, done=now.done + rows) if now.phase == "preparing" else now
        case events.ChecksStarted():
            return replace(now, done=0.0, total=None, words="checking", phase="checking")
        case events.CheckStarted(name, done, total):
            return replace(now, done=float(done), total=float(total), words=name, phase="checking")
        case events.CheckFinished(finding, done, total):
            words = f"{finding.check}: {finding.verdict.value}"
            return replace(now, done=float(done), total=float(total), words=words, phase="checking")
        case events.EvidenceStarted(name):
            return replace(now, words=_label(name) or now.words)
        case events.ProbeStep(probe, step, steps):
            part = min(0.9, step / max(1, steps))
            return replace(
                now, done=int(now.done) + part, words=f"{_label(probe) or probe}: step {step:,} of {steps:,}"
            )
        case _:
            return _in_training(now, event)


def _in_training(now: Progress, event: Event) -> Progress:
    match event:
        case events.RunStarted(run):
            return replace(now, words="asking the base model", phase="preparing", run=str(run.path.resolve()))
        case events.TrainingStarted(step, total):
            return replace(now, done=float(step), total=float(total), words="training", phase="training")
        case events.StepFinished(step):
            return replace(now, done=float(step)) if now.phase == "training" else now
        case events.RecordLogged(record) if now.phase == "training":
            kind = "loss" if record.kind == "train" else "validation loss"
            return replace(now, done=float(record.step), words=f"step {record.step:,}: {kind} {record.loss:.4g}")
        case events.WatchFired(fired):
            found = fired.live.finding
            return replace(now, words=one_line(f"the watch: {found.check}: {found.message}", 200))
        case events.TrainingEnded():
            return replace(now, words="asking the tuned model")
        case events.EvaluationStarted(model):
            return replace(now, words=f"measuring the {model} model with lm-eval")
        case events.Note(text):
            return replace(now, words=one_line(text, 200))
        case _:
            return now


def _label(name: str) -> str:
    """A piece of evidence in words, as the progress bar of the terminal shows it; empty where it is built at once."""
    from sanetune.evidence.catalogue import catalogue

    found = catalogue().get(name)
    return found.label if found else ""
