"""Run the chosen checks on the evidence of a configuration, or of a trainer that somebody has built."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sanetune import units
from sanetune.config.machine import process_count
from sanetune.config.schema import Config
from sanetune.errors import ConfigError
from sanetune.events import ChecksEnded, ChecksStarted, Note, Publish, bracket, silent
from sanetune.evidence.experiments import Experiments
from sanetune.evidence.registry import LEVELS, BrokenError, Evidence, MissingError, builders_of
from sanetune.finding import UNPROVED, Finding, Report
from sanetune.gate.catalogue import catalogue, chosen, known, require_some
from sanetune.gate.overfit_answers import answers_of_log, overfit_answers, with_answers
from sanetune.gate.runner import Rules, report, run
from sanetune.text import shortest_path
from sanetune.workflows.inputs import require_inputs

if TYPE_CHECKING:
    from transformers import Trainer

    from sanetune.checks.base import Check
    from sanetune.config.section import LossOn
    from sanetune.evidence.batch_stats import BatchStats
    from sanetune.evidence.registry import Level


@contextmanager
def evidence_of(
    config: Config,
    publish: Publish = silent,
    level: str = "static",
    given: Mapping[str, Any] | None = None,
    scratch: Path | None = None,
) -> Iterator[Evidence]:
    """Give the evidence of a configuration; what it keeps on disk and in memory is gone afterwards.

    Args:
        config: The configuration, loaded.
        publish: Gets what is built, and which checks run on it.
        level: Deepest level that evidence is for.
        given: Pieces that are there already.
        scratch: A folder that stays; None: a temporary one.
    """
    from sanetune.evidence.from_config import ConfigEvidence
    from sanetune.evidence.from_model import ModelEvidence

    folder = nullcontext(str(scratch)) if scratch else tempfile.TemporaryDirectory(prefix="sanetune-")
    with folder as name, bracket(publish, ChecksStarted(), ChecksEnded()), ExitStack() as stack:
        static = builders_of(ConfigEvidence(config, Path(name), publish))
        deep = builders_of(ModelEvidence(config, stack, publish), level)
        yield Evidence(static | deep, {"config": config, **(given or {})}, publish)


def run_checks(
    config: Config,
    evidence: Evidence,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    level: str = "static",
    known: Mapping[str, Finding] | None = None,
) -> Report:
    """Run the checks that ``config`` and the arguments choose; the arguments count for more.

    Args:
        config: The configuration, loaded.
        evidence: Of that configuration.
        select: Names of checks or families; none: those of ``check.select``.
        ignore: Names that are left out, besides those of ``check.ignore``.
        level: Deepest level of the checks.
        known: Findings that still hold, by name of the check.
    """
    require_inputs(config)
    section = config.check
    checks = chosen(list(select) or section.select, [*section.ignore, *ignore], level)
    rules = rules_of(config)
    if any(check.level == "trial" for check in checks) and (note := _cost_note(config, evidence)):
        evidence.publish(Note(note))
    if process_count() > 1:
        known = _static_once(config, evidence, checks, rules, known)
    found = report(checks, evidence, rules, level=level, subject=subject_of(config), known=known)
    if (planned := evidence.ready("plan")) is not None:
        found = with_answers(found, lambda one: overfit_answers(one, planned.config, planned.sizes))
    return replace(found, experiments=Experiments.of(evidence).to_json())


def require_checks(config: Config, select: Sequence[str], ignore: Sequence[str], level: str) -> None:
    """Raise ConfigError where the arguments of :func:`run_checks` leave no check.

    What the configuration alone chooses may be for the watch of the run.
    """
    if select or ignore:
        names, ignored = list(select) or config.check.select, [*config.check.ignore, *ignore]
        require_some(chosen(names, ignored, level), names, ignored, f"at level {level}")


def _static_once(
    config: Config, evidence: Evidence, checks: Sequence[Check], rules: Rules, known: Mapping[str, Finding] | None
) -> Mapping[str, Finding]:
    """Findings of those of ``checks`` that need no model, made by the main process for all of the launch.

    Where there are deeper ones, all processes then have the rows, which one of each machine has prepared.
    """
    from sanetune.engine.distributed import processes
    from sanetune.evidence.processes import channel, lead, once_per_machine, serve

    deeper = [check for check in checks if check.level != "static"]
    checks = [check for check in checks if check.level == "static"]
    if processes(config).num_processes == 1:
        return known or {}
    with channel() as line:
        if line.rank == 0:
            made = lead(line, lambda: run(checks, evidence, rules, known))
        else:
            made = cast(list[Finding], serve(line))
    if deeper:
        with contextlib.suppress(MissingError, BrokenError):
            once_per_machine(lambda: evidence["prepared"])
    return dict(known or {}) | {one.check: one for one in made}


def subject_of(config: Config) -> dict[str, str]:
    """Return what is checked: file, model and data, by name."""
    data = ", ".join(from_here(source.path) for source in config.data.train)
    subject = {"model": from_here(config.model.name), "data": data}
    return subject if config.file is None else {"config": str(config.file), **subject}


def _cost_note(config: Config, evidence: Evidence) -> str:
    from sanetune.workflows.check_cost import cost_note

    return cost_note(config, evidence)


def from_here(name: str) -> str:
    """Return a path as it is shortest to type; what is no path stays as it is."""
    return shortest_path(Path(name)) if Path(name).exists() else name


def rules_of(config: Config) -> Rules:
    """Return the limits and severities of ``check:``; ConfigError for a check that does not exist."""
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


def check_trainer(
    trainer: Trainer,
    *,
    level: Level = "static",
    loss_on: LossOn | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    rows: int | None = None,
    budget: float | None = None,
    options: Mapping[str, int] | None = None,
    publish: Publish = silent,
) -> Report:
    """Check a built trainer; it is afterwards what it was.

    Args:
        trainer: The user's.
        level: How far the checks go.
        loss_on: Which tokens are meant to be in the loss; None: it is read off the rows.
        select: Names of checks or families; none: all.
        ignore: Names that are left out.
        rows: Rows of a split that experiments read, at most; None: some hundreds.
        budget: Seconds that experiments may take, about; None: as many as the run itself.
        options: Keys of the section ``check`` of a configuration: steps of the experiments, and how many answers.
        publish: Gets what is built, and which checks run on it.
    """
    from sanetune.evidence.from_trainer import TrainerEvidence
    from sanetune.evidence.from_trainer_model import TrainerModelEvidence, config_of
    from sanetune.evidence.gathered_batches import with_all_processes
    from sanetune.evidence.trainer_batches import TrainerReader
    from sanetune.gate.trainer_advice import TrainerAdvice

    def checked(reader: TrainerReader) -> Report:
        with tempfile.TemporaryDirectory(prefix="sanetune-") as folder, ExitStack() as stack:
            on_main = publish if trainer.is_world_process_zero() else silent
            stack.enter_context(bracket(on_main, ChecksStarted(), ChecksEnded()))
            scratch, config = Path(folder), config_of(trainer, options or {})
            static = TrainerEvidence(trainer, scratch, loss_on, on_main, reader)
            deep = TrainerModelEvidence(config, stack, on_main, trainer=trainer, scratch=scratch / "run", level=level)
            deep.rows, deep.budget, deep.processes = rows, budget, reader.processes
            builders = builders_of(static) | deep.builders(level)
            evidence = Evidence(builders, publish=on_main)
            # Files and preparation are not part of a trainer: what reads them can never apply, unless it is asked for.
            # What needs a pass of a configuration's model may be read off a trainer's, which is there.
            asked = {check.name for check in chosen(list(select), list(ignore), level)} & set(select)
            deepest = chosen(list(select), list(ignore), LEVELS[2])
            checks = [check for check in deepest if set(check.needs) <= set(builders) or check.name in asked]
            subject = {"trainer": type(trainer).__name__, "model": type(trainer.model).__name__}
            found = with_answers(report(checks, evidence, level=level, subject=subject), answers_of_log)
            advice = TrainerAdvice.of(trainer)
            found = replace(found, findings=[advice.rewritten(one) for one in found.findings])
            experiments = Experiments.of(evidence).to_json()
            if any("batch_stats" in check.needs for check in checks):
                subject |= _unproved(evidence)
            return replace(found, subject=subject | {"read": _extent(evidence)}, experiments=experiments)

    return with_all_processes(trainer, checked)


def _unproved(evidence: Evidence) -> dict[str, str]:
    """Why nothing is known of the batches, where they could not be read."""
    try:
        evidence["batch_stats"]
    except (MissingError, BrokenError) as error:
        return {UNPROVED: f"no batch could be read: {error}"}
    return {}


def _extent(evidence: Evidence) -> str:
    """How much of the trainer's data was read, in words."""
    stats: BatchStats | None = evidence.ready("batch_stats")
    if stats is None:
        return "no batch"
    read = [f"{units.many(side.batches, 'batch', 'batches')} of {side.split}" for side in stats.splits]
    documents, tokens = stats.total("documents"), stats.total("tokens")
    end = ", as many as the run reads" if stats.train.partial else ""
    return f"{units.many(documents, 'document')} with {units.many(tokens, 'token')}: {' and '.join(read)}{end}"
