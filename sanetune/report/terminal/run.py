"""The start and the end of a run on a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sanetune import units
from sanetune.engine.metrics import seconds_of, speed_of
from sanetune.finding import BAD
from sanetune.gate.watch_report import WatchReport
from sanetune.report.evaluation import score_name, score_text
from sanetune.report.lowest import is_worse_than_base, lowest_evaluation
from sanetune.report.terminal.compare import summary
from sanetune.report.terminal.findings import STYLES
from sanetune.text import shortest_path
from sanetune.workflows.evaluating.result import fresh_scores, score_rows
from sanetune.workflows.forgetting import read_forgets

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.engine.base import Outcome
    from sanetune.planning.plan import Plan
    from sanetune.probes.results import Comparison
    from sanetune.runs import Run


def show_start(plan: Plan, prepared: Prepared, run: Run, console: Console, clearance: Sequence[str] = ()) -> None:
    """Print model, data, steps and clearance of a run that starts.

    Args:
        plan: What the run will do.
        prepared: Its rows.
        run: Its folder.
        console: Where to print.
        clearance: How the run was cleared, then what was warned of.
    """
    steps, stats = plan.steps, prepared.stats
    epochs = f"{steps.epochs:.3g} epoch{'s' * (steps.epochs != 1)}"
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="cyan", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("model", Text(plan.config.model.name))
    if plan.sizes.model.parameters:
        whole = plan.sizes.model.trainable == plan.sizes.model.parameters
        trained = "all of them" if whole else units.count(plan.sizes.model.trainable)
        rows.add_row("parameters", f"{units.count(plan.sizes.model.parameters)}, {trained} trained")
    rows.add_row("data", _data(stats))
    for reason, figures in (stats["dropped"] | stats["truncated"]).items():
        rows.add_row(
            "",
            Text(
                f"{units.many(figures['rows'], 'row')} {reason}: {units.many(figures['tokens'], 'token')} not used",
                style="yellow",
            ),
        )
    rows.add_row("batch", f"{steps.equation} example{'s' * (steps.effective != 1)} per step")
    rows.add_row("steps", f"{steps.total_steps:,} ({steps.warmup_steps:,} of them warm-up), {epochs}")
    rows.add_row("learning rate", f"{units.lr(steps.learning_rate)}, {steps.scheduler}")
    rows.add_row("run", Text(shortest_path(run.path)))
    if clearance:
        rows.add_row("gate", Text(clearance[0], "" if clearance[0].startswith("Cleared") else "bold yellow"))
    console.print(rows)
    for warning in clearance[1:]:
        console.print(Text(f"! {warning}", "yellow"))
    for one in plan.config.renamed:
        now = f"is now {one.new}: {one.value}" if one.new else "has no effect any more"
        console.print(Text(f"! {one.old} {now}", "yellow"))
    for note in plan.notes:
        console.print(Text(f"! {note}", "yellow"))


def _data(stats: dict[str, Any]) -> str:
    train = stats["train"]
    words = units.many(train["examples"], "example")
    if "packs" in train:
        words += f" in {units.many(train['packs'], 'pack')} of {stats['max_length']:,} tokens"
        words += f" ({units.share(train['fill'])} full)"
    words += f", {units.share(train['loss_share'])} of {units.count(train['tokens'])} tokens in the loss"
    if replay := stats.get("replay"):
        words += f"; {units.many(replay['rows'], 'replay row')} among them"
    if "validation" in stats:
        words += f"; {units.many(stats['validation']['examples'], 'validation row')}"
    return words


def show_end(run: Run, outcome: Outcome, comparison: Comparison, console: Console) -> None:
    """Print steps, losses and files of a finished run."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    speed, seconds = speed_of(outcome.records).tokens_per_second, seconds_of(outcome.records)
    done = units.many(outcome.steps, "step")
    done += "" if seconds is None else f" in {units.seconds(seconds)} with evaluations and saves"
    done += "" if speed is None else f", {units.count(speed)} tokens/s without them"
    table.add_row("trained", done + (", stopped early" if outcome.stopped_early else ""))
    table.add_row("result", summary(comparison))
    if row := _lowest(outcome):
        table.add_row(*row)
    for number, line in enumerate(_watched(run)):
        table.add_row("" if number else "watch", line)
    for number, line in enumerate(_forgotten(run)):
        table.add_row("" if number else "forgetting", line)
    for number, line in enumerate(_measured(run)):
        table.add_row("" if number else "lm-eval", line)
    for name, path in (("model", run.model), ("curves", run.plots / "curves.png"), ("samples", run.samples)):
        table.add_row(name, Text(shortest_path(path)))
    console.print(table)
    for note in outcome.notes:
        console.print(Text(f"! {note}", "yellow"))
    # Not wrapped, so that the commands can be copied.
    folder = shlex.quote(shortest_path(run.path))
    console.print(Text(f"Next: sanetune compare {folder}\n      sanetune chat {folder}", style="dim"), soft_wrap=True)


def _lowest(outcome: Outcome) -> tuple[str, str] | None:
    """Name and text of the line about the lowest validation loss: weights that are worse than the base are not best."""
    if outcome.best_step is None or outcome.best_validation_loss is None or not (found := lowest_evaluation(outcome)):
        return None
    step, loss = found
    words = f"step {step:,}, validation loss {loss:.3f}"
    if not is_worse_than_base(outcome):
        return "best", words
    tuned = f"of tuned weights {outcome.best_validation_loss:.3f} at step {outcome.best_step:,}"
    return "lowest", f"{words}, that of the base; {tuned}"


def _watched(run: Run) -> list[Text]:
    """What the watch found, once more: a line of it is far above by now."""
    if not run.watch.is_file():
        return []
    return [
        Text.assemble(
            (one.live.finding.verdict.value.upper(), STYLES[one.live.finding.verdict]),
            f" {one.live.finding.check} at step {one.live.step:,}: {one.live.finding.message}",
        )
        for one in WatchReport.from_json(run.read_json(run.watch)).findings
    ]


def _forgotten(run: Run) -> list[Text]:
    """What the tuned model has forgotten, as a gauge; with what was found and what to do, where that is a warning."""
    from sanetune.report.terminal import forgetting

    finding = read_forgets(run)
    if finding is None or not finding.numbers:
        return []
    gauge = forgetting.lines(finding.numbers, finding.limits)
    if finding.verdict not in BAD:
        return gauge
    verdict = finding.verdict.value.upper(), STYLES[finding.verdict]
    return [Text.assemble(verdict, f" {finding.check}: {finding.message}"), *gauge, Text(finding.remedy)]


def _measured(run: Run) -> list[Text]:
    """What lm-eval measured of base and tuned model; nothing where it did not."""
    models, note = fresh_scores(run, None)
    lines = [
        Text(f"{score_name(row)}: {' → '.join('-' if one is None else score_text(one) for one in row.scores)}")
        for row in score_rows(models)
    ]
    return [*lines, Text(note, "yellow")] if note else lines
