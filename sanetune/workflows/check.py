"""The job behind `check`: evidence of a configuration or of a built trainer, looked at by the chosen checks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import ConfigError
from sanetune.events import ChecksEnded, ChecksStarted, bracket
from sanetune.evidence.experiments import Experiments
from sanetune.evidence.registry import Evidence, builders_of
from sanetune.finding import Finding, Report
from sanetune.gate.catalogue import catalogue, chosen, known
from sanetune.gate.runner import Rules, report
from sanetune.report.terminal.progress import ProgressBar

if TYPE_CHECKING:
    from rich.console import Console
    from transformers import Trainer

    from sanetune.config.schema import LossOn
    from sanetune.gate.fixer import Round
    from sanetune.runs import Run


def opened(file: Path, overrides: Sequence[str] = ()) -> tuple[Config, list[str]]:
    """The configuration in ``file``, ours or that of Axolotl or LLaMA-Factory; and, for another tool's, what was not
    understood."""
    from sanetune.importers import read

    foreign = read(file)
    if foreign is None:
        return load(file, overrides), []
    notes = [f"{foreign.tool}: not carried over: {one}" for one in foreign.skipped]
    if foreign.trust_remote_code:
        notes.append(f"{foreign.tool}: trust_remote_code is set; nothing of the model's own code is run here")
    return load(foreign.config, overrides), notes


@contextmanager
def evidence_of(
    config: Config,
    console: Console | None = None,
    level: str = "static",
    given: Mapping[str, Any] | None = None,
    scratch: Path | None = None,
) -> Iterator[Evidence]:
    """The evidence of a configuration; what it keeps on disk and in memory is gone afterwards. ``given``: pieces that
    are there already; ``scratch``: a folder that stays instead."""
    from sanetune.evidence.from_config import ConfigEvidence
    from sanetune.evidence.from_model import ModelEvidence

    folder = nullcontext(str(scratch)) if scratch else tempfile.TemporaryDirectory(prefix="sanetune-")
    publish = ProgressBar(console)
    with folder as name, bracket(publish, ChecksStarted(), ChecksEnded()), ExitStack() as stack:
        static = builders_of(ConfigEvidence(config, Path(name), publish))
        deep = builders_of(ModelEvidence(config, stack, publish), level)
        yield Evidence(static | deep, {"config": config, **(given or {})}, publish)


def look(
    config: Config,
    evidence: Evidence,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    level: str = "static",
    known: Mapping[str, Finding] | None = None,
) -> Report:
    """Runs the checks that ``config`` and the arguments leave; the arguments count for more. ``known``: findings that
    still hold."""
    section = config.check
    checks = chosen(list(select) or section.select, [*section.ignore, *ignore], level)
    rules = rules_of(config)
    data = ", ".join(from_here(source.path) for source in config.data.train)
    subject = {"model": from_here(config.model.name), "data": data}
    if config.file is not None:
        subject = {"config": str(config.file), **subject}
    found = report(checks, evidence, rules, level=level, subject=subject, known=known)
    return replace(found, proof=Experiments.of(evidence).to_json())


def from_here(name: str) -> str:
    """A path as it is shortest to type; what is no path stays as it is."""
    from sanetune.report.terminal.run import shortest

    return shortest(Path(name)) if Path(name).exists() else name


def page(
    config: Config, evidence: Evidence, report: Report, run: Run | None = None, before: Sequence[Round] = ()
) -> str:
    """One self-contained HTML page about what was looked at; ``run``: a finished run, whose versions and whose
    clearance's proof count; ``before``: the rounds of a correction before this look."""
    from sanetune.gate.fixer import Round
    from sanetune.report.html import page as rendered
    from sanetune.report.html.collect import view

    known = run.read_json(run.versions) if run and run.versions.is_file() else None
    gate, proof, note = _cleared(run) if run else ((), {}, "")
    rounds = [*before, Round(report)] if before else ()
    return rendered(view(config, evidence, replace(report, proof=proof or report.proof), known, gate, rounds, note))


def _cleared(run: Run) -> tuple[Sequence[str], dict[str, Any], str]:
    """How a run was cleared, in words, the proof that it rests on, and when that was made; a file that cannot be read
    is said to be so."""
    from sanetune.gate.clearance import read, read_proof
    from sanetune.report.terminal.clearance import lines

    found, why = read(run)
    if found is None:
        return [f"No proof: {why}"], {}, ""
    proof, why = read_proof(run, found)
    return [*lines(found), *([f"Not shown: {why}"] if why else [])], proof, f"Made on {found.made}, to clear the run."


def rules_of(config: Config) -> Rules:
    """The limits and severities of ``check:``; ConfigError for a check that does not exist."""
    section = config.check
    for key, names in (("limits", section.limits), ("severity", section.severity)):
        for name in names:
            known(name)
            if name not in catalogue():
                raise ConfigError(
                    f"check.{key} names the family {name}",
                    "Limits and severities belong to one check each.",
                    "Name the checks one by one; `sanetune checks` lists them.",
                    config.place(f"check.{key}"),
                )
    return Rules(section.limits, {name: str(value) for name, value in section.severity.items()})


def look_at_trainer(
    trainer: Trainer, *, loss_on: LossOn | None = None, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> Report:
    """Looks at a built trainer and changes nothing in it."""
    from sanetune.evidence.from_trainer import TrainerEvidence

    with tempfile.TemporaryDirectory(prefix="sanetune-") as folder:
        evidence = Evidence(builders_of(TrainerEvidence(trainer, Path(folder), loss_on)))
        checks = chosen(list(select), list(ignore))
        subject = {"trainer": type(trainer).__name__, "model": type(trainer.model).__name__}
        return report(checks, evidence, subject=subject)
