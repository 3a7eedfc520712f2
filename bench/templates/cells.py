"""One cell of the table: a template and a kind of conversation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.templates.oracle import faults, rendered
from bench.templates.shapes import loss_on, rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from sanetune.finding import Report

FAMILIES = ("rows", "template", "tokens", "labels", "packs", "batches")
"""Families of checks whose findings count: those of the configuration know nothing of templates."""

TRUE_OF_TEMPLATE = ("template-adds-content", "template-empty-thinking")
"""Checks that only ever say what is true of a template."""


@dataclass(slots=True)
class Cell:
    """What came of a template and a kind.

    Attributes:
        state: ``right``, ``wrong`` (masks), ``refused`` (every row, though the template renders the texts),
            ``unrendered`` (the template raises, or leaves texts out).
        reason: Why it is no ``right``.
        alarms: Findings that warn or fail, with their message.
        true: Those that are true of the template.
    """

    template: str
    kind: str
    state: str
    reason: str = ""
    alarms: dict[str, str] = field(default_factory=dict)
    true: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            name: getattr(self, name) for name in ("template", "kind", "state", "reason", "alarms", "true", "seconds")
        }


def cell(name: str, kind: str, tokenizer: PreTrainedTokenizerFast, model: Path, folder: Path) -> Cell:
    """Run the static gate on clean rows, and compare the tokens in the loss with what an oracle says."""
    import time

    from sanetune.config.load import load
    from sanetune.errors import UserError
    from sanetune.workflows.check import evidence_of, run_checks

    began = time.perf_counter()
    data = rows(kind)
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in data), encoding="utf-8")
    found = rendered(data, tokenizer)
    if found.refused:
        return Cell(name, kind, "unrendered", found.refused)
    config = load(
        {
            "model": {"name": str(model)},
            "data": {"train": str(file), "holdout": 0.2, "workers": 1, "loss_on": loss_on(kind)},
            "train": {"use_cpu": True, "per_device_train_batch_size": 4},
            "run": {"output_dir": str(folder / "run"), "trackers": []},
        }
    )
    with evidence_of(config, given={"tokenizer": tokenizer}) as evidence:
        report = run_checks(config, evidence, FAMILIES)
        try:
            prepared = evidence["preparation"]
            wrong = faults(prepared, tokenizer, found, loss_on(kind))
        except UserError as error:
            wrong = [f"not prepared: {error}"]
    made = _cell(name, kind, report, wrong)
    made.seconds = time.perf_counter() - began
    if made.state == "refused" and found.texts:
        made.state, made.reason = "unrendered", f"leaves out {sorted(found.texts)}: {made.reason}"
    for check, message in list(made.alarms.items()):
        if found.explains(check, message):
            made.true[check] = made.alarms.pop(check)
    return made


def _cell(name: str, kind: str, report: Report, wrong: list[str]) -> Cell:
    state = "right" if not wrong else ("refused" if wrong[0].startswith("not prepared") else "wrong")
    made = Cell(name, kind, state, "; ".join(wrong[:2])[:400])
    for finding in report.findings:
        if str(finding.verdict) in ("warn", "fail", "crash"):
            shown = finding.witnesses[0] if finding.witnesses else None
            words = f"{finding.verdict}: {finding.message}" + (f" || {shown.text!r} {shown.note}" if shown else "")
            (made.true if finding.check in TRUE_OF_TEMPLATE else made.alarms)[finding.check] = words[:600]
    return made
