"""The check in the demo: it leaves a clearance, and is shown in few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.evidence.experiments import Experiments
from sanetune.finding import BAD, REFUSING, Finding, Report, Verdict
from sanetune.report.experiment_text import loss_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sanetune.config.schema import Config
    from sanetune.evidence.registry import Evidence

PARTS = {
    "static": "settings, rows, template, labels, batches",
    "probes": "a few passes through the real model",
    "overfit": "a few examples memorised",
    "learning rates": "other learning rates from the same start",
    "trial": "the first steps of the real run",
}
"""Parts of a check, cheapest first, and what each is about."""
PART_OF = {
    "static": "static",
    "probe": "probes",
    "overfit": "overfit",
    "lr_comparison": "learning rates",
    "trial": "trial",
}
"""Level, or evidence that has a part of its own -> its part."""


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """A check as the demo keeps and shows it.

    Attributes:
        report: What was found.
        seconds: Of each part.
        share: Time of the check per time of the whole run; None: it was not forecast.
    """

    report: Report
    seconds: dict[str, float]
    share: float | None = None

    @classmethod
    def of(cls, report: Report, evidence: Evidence | None = None) -> CheckSummary:
        """The summary of ``report``; ``evidence`` tells the share, where it has a forecast."""
        forecast = evidence.ready("forecast") if evidence is not None else None
        return cls(report, seconds_of(report), None if forecast is None else round(forecast.check_share, 3))

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``demo.json``."""
        return {
            "verdict": self.report.verdict.value,
            "level": self.report.level,
            "seconds": round(self.report.seconds, 1),
            "parts": {name: round(value, 1) for name, value in self.seconds.items()},
            "failed": [finding.check for finding in self.report.of(*REFUSING)],
            "share_of_run": self.share,
        }


def seconds_of(report: Report) -> dict[str, float]:
    """Return the seconds of each part: of its evidence and of its checks."""
    from sanetune.gate.catalogue import catalogue

    found = dict.fromkeys(PARTS, 0.0)
    for name, seconds in report.evidence_seconds.items():
        found[_part(name)] += seconds
    for finding in report.findings:
        parts = [_part(need) for need in catalogue()[finding.check].needs]
        found[max(parts, key=list(PARTS).index, default="static")] += finding.seconds
    return {name: value for name, value in found.items() if name == "static" or value}


def _part(evidence: str) -> str:
    from sanetune.evidence.catalogue import level_of

    return PART_OF.get(evidence) or PART_OF[level_of((evidence,))]


def check(config: Config, console: Console, given: Mapping[str, Any] | None = None) -> CheckSummary:
    """Check ``config`` at its own level, as `sanetune check` does, and leave a clearance in its run if it is clear.

    Args:
        config: The configuration.
        console: Where progress is shown.
        given: Evidence that is there already.
    """
    from sanetune.gate.clearance import cleared
    from sanetune.gate.clearance_file import write_clearance
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.runs import Run
    from sanetune.workflows.check import evidence_of, run_checks
    from sanetune.workflows.clear import fingerprint_of

    level = config.check.level
    with evidence_of(config, LiveTerminal(console), level, given) as evidence:
        fingerprint = fingerprint_of(evidence)
        report = run_checks(config, evidence, level=level)
        summary = CheckSummary.of(report, evidence)
    assert config.run.output_dir is not None
    if fingerprint is not None and report.verdict is not Verdict.FAIL:
        write_clearance(Run(config.run.output_dir), cleared(report, fingerprint))
    return summary


def findings_of(report: Report, names: Sequence[str]) -> list[RenderableType]:
    """Return the bad findings of the checks ``names`` in full, the names of other checks that failed, and the end."""
    from rich.text import Text

    from sanetune.report.terminal import findings

    shown = [_short(finding) for finding in report.of(*BAD) if finding.check in names]
    pieces = findings.parts(replace(report, findings=shown, subject={}, experiments={}))[:-1]
    if others := [finding.check for finding in report.of(*REFUSING) if finding.check not in names]:
        pieces.append(Text(f"Also failed: {', '.join(others)}.\n"))
    return [*pieces, findings.ending(report)]


def _short(finding: Finding) -> Finding:
    """Two witnesses are enough here, and the message has the numbers."""
    return replace(finding, witnesses=finding.witnesses[:2], numbers={})


def table(summary: CheckSummary) -> RenderableType:
    """Return what each part of a check has found, and its seconds."""
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="cyan", no_wrap=True)
    rows.add_column()
    rows.add_column(justify="right", style="dim", no_wrap=True)
    words = _words(summary.report)
    for part, seconds in summary.seconds.items():
        rows.add_row(part, Text(words.get(part, PARTS[part])), units.seconds(seconds))
    return rows


def _words(report: Report) -> dict[str, str]:
    """Each part in numbers."""
    passed = len(report.of(Verdict.PASS))
    words = {"static": f"settings, every row, template, labels and batches; {passed} checks passed in all"}
    numbers = {finding.check: finding.numbers for finding in report.findings if finding.numbers}
    if lr := numbers.get("model-rate-critical"):
        critical, planned = units.lr(lr["critical"]), units.lr(lr["planned"])
        words["probes"] = f"a step raises the loss from a learning rate of {critical} on; planned is {planned}"
    if overfit := numbers.get("model-cannot-overfit"):
        words["overfit"] = (
            f"{overfit['examples']} examples memorised in {overfit['steps']} steps: loss {overfit['start_loss']:.2f}"
            f" -> {overfit['loss']:.2f}, {units.share(overfit['same'])} reproduced word for word"
        )
    if beaten := numbers.get("curve-rate-beaten"):
        each = ", ".join(f"{one['loss']:.2f} at {units.lr(one['rate'])}" for one in beaten["losses"])
        words["learning rates"] = f"validation loss after {beaten['steps']} steps: {each}"
    trial = Experiments.from_json(report.experiments).trial
    if trial and len(losses := trial.curve.validation) > 1:
        ended = ""
        if (stop := numbers.get("samples-no-stop")) is not None:
            ended = f"; {stop['samples'] - stop['open']} of {stop['samples']} answers end by themselves"
        first, last = loss_text(losses[0].loss), loss_text(losses[-1].loss)
        words["trial"] = f"{trial.steps} steps: validation loss {first} -> {last}{ended}"
    return words
