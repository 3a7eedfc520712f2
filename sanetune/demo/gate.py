"""The gate in the demo: a check that leaves a clearance, and training with it; told in few lines."""

from __future__ import annotations

from collections.abc import Sequence
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
    from sanetune.workflows.train import Trained

PARTS = {
    "looking": "settings, rows, template, labels, batches",
    "probes": "a few passes through the real model",
    "overfit": "a few examples by heart",
    "rates": "other rates from the same start",
    "trial": "the first steps of the real run",
}
"""Parts of a check, cheapest first."""
PART_OF = {"static": "looking", "probe": "probes", "overfit": "overfit", "lr_comparison": "rates", "trial": "trial"}
"""Level, or evidence that has a part of its own -> its part."""


@dataclass(frozen=True, slots=True)
class Look:
    """A check's report, the seconds of each part, and what share of the whole run it took (None: not forecast)."""

    report: Report
    seconds: dict[str, float]
    share: float | None

    def to_json(self) -> dict[str, Any]:
        """For ``demo.json``."""
        return {
            "verdict": self.report.verdict.value,
            "level": self.report.level,
            "seconds": round(self.report.seconds, 1),
            "parts": {name: round(value, 1) for name, value in self.seconds.items()},
            "failed": [finding.check for finding in self.report.of(*REFUSING)],
            "share_of_run": self.share,
        }


def look_of(report: Report, evidence: Evidence) -> Look:
    """``report`` with what its parts took."""
    forecast = evidence.ready("forecast")
    share = forecast.check_share if forecast is not None else None
    return Look(report, seconds_of(report), None if share is None else round(share, 3))


def seconds_of(report: Report) -> dict[str, float]:
    """Seconds of each part: its evidence and its checks."""
    from sanetune.gate.catalogue import catalogue

    found = dict.fromkeys(PARTS, 0.0)
    for name, seconds in report.evidence_seconds.items():
        found[_part(name)] += seconds
    for finding in report.findings:
        parts = [_part(need) for need in catalogue()[finding.check].needs]
        found[max(parts, key=list(PARTS).index, default="looking")] += finding.seconds
    return {name: value for name, value in found.items() if name == "looking" or value}


def _part(evidence: str) -> str:
    from sanetune.evidence.catalogue import level_of

    return PART_OF.get(evidence) or PART_OF[level_of((evidence,))]


def check(config: Config, console: Console, given: dict[str, Any] | None = None) -> Look:
    """Looks at ``config`` at its own level, and leaves a clearance in its run where nothing failed: what
    `sanetune check` does. ``given``: rows and plan that are there already."""
    from sanetune.gate import clearance
    from sanetune.report.terminal.live import LiveTerminal
    from sanetune.runs import Run
    from sanetune.workflows.check import evidence_of, run_checks
    from sanetune.workflows.clear import fingerprint_of

    level = config.check.level
    with evidence_of(config, LiveTerminal(console), level, given) as evidence:
        fingerprint = fingerprint_of(evidence)
        report = run_checks(config, evidence, level=level)
        found = look_of(report, evidence)
    assert config.run.output_dir is not None
    if fingerprint is not None and report.verdict is not Verdict.FAIL:
        clearance.write(Run(config.run.output_dir), clearance.cleared(report, fingerprint))
    return found


def train(config: Config, console: Console) -> Trained:
    """Trains with the clearance that lies in the run; without one that fits, the gate looks again, as it always
    does."""
    from sanetune import api

    return api.train(config, console=console)


def shown(report: Report, names: Sequence[str]) -> list[RenderableType]:
    """The findings ``names`` in full, the names of others that failed, and how it ended."""
    from rich.text import Text

    from sanetune.report.terminal import findings

    bad = report.of(*BAD)
    told = [_short(finding) for finding in bad if finding.check in names]
    pieces = findings.parts(replace(report, findings=told, subject={}, proof={}))[:-1]
    if others := [finding.check for finding in report.of(*REFUSING) if finding.check not in names]:
        pieces.append(Text(f"Also failed: {', '.join(others)}.\n"))
    return [*pieces, findings.ending(report)]


def _short(finding: Finding) -> Finding:
    """Two witnesses are enough here, and what to do stands once."""
    return replace(finding, witnesses=finding.witnesses[:2], numbers={})


def table(look: Look) -> RenderableType:
    """What each part of a check has shown, and its seconds."""
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="cyan", no_wrap=True)
    rows.add_column()
    rows.add_column(justify="right", style="dim", no_wrap=True)
    words = _words(look.report)
    for part, seconds in look.seconds.items():
        rows.add_row(part, Text(words.get(part, PARTS[part])), units.seconds(seconds))
    return rows


def _words(report: Report) -> dict[str, str]:
    """Each part in numbers."""
    passed = len(report.of(Verdict.PASS))
    said = {"looking": f"settings, every row, template, labels and batches; {passed} checks passed in all"}
    numbers = {finding.check: finding.numbers for finding in report.findings if finding.numbers}
    if rate := numbers.get("model-rate-critical"):
        said["probes"] = (
            f"a step raises the loss from a rate of {units.lr(rate['critical'])} on; planned is"
            f" {units.lr(rate['planned'])}"
        )
    if heart := numbers.get("model-cannot-overfit"):
        said["overfit"] = (
            f"{heart['examples']} examples by heart in {heart['steps']} steps: loss {heart['start_loss']:.2f} ->"
            f" {heart['loss']:.2f}, {units.share(heart['same'])} given back word for word"
        )
    if rates := numbers.get("curve-rate-beaten"):
        listed = ", ".join(f"{one['loss']:.2f} at {units.lr(one['rate'])}" for one in rates["losses"])
        said["rates"] = f"held-out loss after {rates['steps']} steps: {listed}"
    trial = Experiments.from_json(report.proof).trial
    if trial and len(losses := trial.curve.validation) > 1:
        ended = ""
        if (stop := numbers.get("samples-no-stop")) is not None:
            ended = f"; {stop['samples'] - stop['open']} of {stop['samples']} answers end by themselves"
        first, last = loss_text(losses[0].loss), loss_text(losses[-1].loss)
        said["trial"] = f"{trial.steps} steps: validation loss {first} -> {last}{ended}"
    return said
