"""What the watch of a run has found, as ``watch.json`` keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sanetune.engine.watcher import TrackerText
from sanetune.finding import Finding, GateError
from sanetune.gate.watch import LiveFinding
from sanetune.probes.row_losses import place_of

SHOWN = 5
"""Rows of a step that a text for a tracker shows."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the watch ended a run.

    Attributes:
        step: Optimizer steps done.
        course: ``stop`` or ``turn``.
        checks: Names of the checks that ended it.
        checkpoint: Step of the checkpoint that it was left with: that of the stop, or where its weights were no numbers
            the last before whose weights are; None: there was none.
    """

    step: int
    course: str
    checks: tuple[str, ...]
    checkpoint: int | None = None

    @property
    def words(self) -> str:
        """How a run ended whose validation loss has turned, in a sentence."""
        left = (
            "no checkpoint is left" if self.checkpoint is None else f"its model is that of checkpoint-{self.checkpoint}"
        )
        return f"The watch has ended this run after step {self.step:,} ({', '.join(self.checks)}): {left}."

    @property
    def left(self) -> str:
        """What the checkpoint is that a stop has left."""
        if self.checkpoint is None:
            return "no checkpoint whose weights are numbers is left"
        if self.checkpoint < self.step:
            return f"checkpoint-{self.checkpoint} is the last whose weights are numbers"
        return f"checkpoint-{self.checkpoint} is the state after the fault, not one to keep"

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Ended:
        """Read what ``watch.json`` has."""
        return cls(plain["step"], plain["course"], tuple(plain["checks"]), plain.get("checkpoint"))

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "step": self.step,
            "course": self.course,
            "checks": list(self.checks),
            "checkpoint": self.checkpoint,
        }


@dataclass(slots=True)
class WatchFinding:
    """A finding of a run that trains, with what was found out about its step.

    Attributes:
        live: The finding.
        rows: The rows of its step as :meth:`sanetune.probes.row_losses.StepRow.to_json` gives them, the worst first.
        weights: The weights that those were measured with, in words; empty: they were not measured.
        reason: Why the rows are not named, or not measured; empty: they are, or nobody asked.
        answers: What can be done about it, each with the values that do it.
    """

    live: LiveFinding
    rows: Sequence[Mapping[str, Any]] = ()
    weights: str = ""
    reason: str = ""
    answers: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the finding as ``--json`` has it, with its step and rows."""
        more: dict[str, Any] = {"step": self.live.step, "at": self.live.at}
        if self.rows:
            more |= {"rows": list(self.rows), "rows_weights": self.weights}
        if self.reason:
            more["rows_reason"] = self.reason
        if self.live.of:
            more["validation_set"] = self.live.of
        if self.answers:
            more["answers"] = list(self.answers)
        return self.live.finding.to_json() | more

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> WatchFinding:
        """Read what :meth:`to_json` returns, after a file."""
        finding = Finding.from_json(plain)
        live = LiveFinding(plain["step"], plain["at"], finding, plain.get("validation_set", ""))
        rows, weights = plain.get("rows", ()), plain.get("rows_weights", "")
        return cls(live, rows, weights, plain.get("rows_reason", ""), plain.get("answers", ()))


def tracker_text(entry: WatchFinding) -> TrackerText:
    """Return a finding as the trackers of a run show it, with the worst rows of its step."""
    finding, live = entry.live.finding, entry.live
    lines = [f"**{finding.verdict.value} {finding.check}** (step {live.step:,}): {finding.text}"]
    for row in entry.rows[:SHOWN]:
        measured = f": loss {row['loss']}, gradient norm {row['grad_norm']}" if row.get("loss") is not None else ""
        lines.append(f"- {place_of(row)}{measured}")
    if entry.reason:
        lines.append(f"The rows of step {live.at} are not {'measured' if entry.rows else 'named'}: {entry.reason}.")
    return TrackerText(f"watch/{finding.check}", live.step, "\n".join(lines))


@dataclass(slots=True)
class WatchReport:
    """All that the watch of one run has found.

    Attributes:
        mode: ``check.watch`` of the run.
        findings: In the order in which it was found.
        ended: How it ended the run; None: it did not.
    """

    mode: str
    findings: list[WatchFinding] = field(default_factory=list)
    ended: Ended | None = None

    def error(self, steps: int) -> GateError:
        """What a run of ``steps`` optimizer steps ends with that the watch has stopped: what each check found last."""
        ended = self.ended
        assert ended is not None
        bad = {one.live.finding.check: one.live.finding for one in self.findings}
        bad = {name: one for name, one in bad.items() if name in ended.checks}
        listed = "\n".join(f"  {name}: {one.message}" for name, one in bad.items())
        how = f"the watch has stopped this run after step {ended.step:,}"
        rationale = "Each of these makes the rest of the run not worth its cost."
        if ended.step >= steps:
            how = f"the watch has found at the end of this run, after step {ended.step:,}, what a run is stopped for"
            rationale = "Each of these says that the model is not what it was trained to be."
        return GateError(
            f"{how} ({ended.left}):\n{listed or '  the main process has printed what it found'}",
            rationale,
            " ".join(dict.fromkeys(one.remedy for one in bad.values())),
        )

    def again(self) -> GateError:
        """What a run is refused with that goes on from where the watch has ended it, and is watched as before."""
        ended = self.ended
        assert ended is not None
        found = {one.live.finding.check: one.live.finding.message for one in self.findings}
        listed = "\n".join(f"  {name}: {found[name]}" for name in ended.checks if name in found)
        return GateError(
            f"the watch has ended this run after step {ended.step:,}, where it would go on:\n{listed}",
            "It would go on into the same fault.",
            "Correct the cause and begin anew, go on from an earlier checkpoint, or go on all the same with"
            " sanetune.Watch('warn').",
        )

    @staticmethod
    def damaged(step: int) -> GateError:
        """What a run is refused with whose checkpoint of ``step`` has weights that are no numbers."""
        return GateError(
            f"the weights of the checkpoint of step {step:,}, where this run would go on, are NaN or infinite",
            "No step makes numbers of them again.",
            "Go on from an earlier checkpoint (`sanetune diagnose` on the output folder names the one to keep), or"
            " begin anew.",
        )

    def to_json(self) -> dict[str, Any]:
        """Return what ``watch.json`` holds."""
        return {
            "schema": 1,
            "mode": self.mode,
            "ended": None if self.ended is None else self.ended.to_json(),
            "findings": [one.to_json() for one in self.findings],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> WatchReport:
        """Read ``watch.json``."""
        ended = plain.get("ended")
        findings = [WatchFinding.from_json(one) for one in plain["findings"]]
        return cls(plain["mode"], findings, None if ended is None else Ended.from_json(ended))
