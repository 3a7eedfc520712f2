"""The demo run with a fault: injected, refused with evidence, fixed, cleared, trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.commands import typed
from sanetune.curves.changes import finite
from sanetune.demo import folder
from sanetune.demo.answers import Answers
from sanetune.demo.check import CheckSummary, check, findings_of
from sanetune.demo.faults import Fault, inject
from sanetune.demo.folder import FIGURES
from sanetune.demo.sections import paragraph, put, section
from sanetune.evidence.experiments import Experiments
from sanetune.evidence.registry import LEVELS
from sanetune.finding import Report, Verdict
from sanetune.runs import Run
from sanetune.text import shortest_path

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from transformers import PreTrainedTokenizerBase

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.evidence.registry import Evidence
    from sanetune.gate.fixer import Fixed, Round

SHOWN = 1
"""Held-out prompts whose answers are shown; all of them are scored."""
DROPPED = 20
"""Tokens that the row which is shown has lost at least, where rows are truncated."""


def run(fault: Fault, out: Path, console: Console) -> dict[str, Any]:
    """Run the demo with ``fault`` in the folder ``out``; takes three to seven minutes on two cores.

    An earlier demo's folder is replaced.

    Args:
        fault: What is injected.
        out: The demo's folder.
        console: Where to print.

    Returns:
        The figures, which are in ``out/demo.json`` too; ``completed`` says whether everything went as it should.

    Raises:
        RunError: Where the folder holds anything but an earlier demo.
    """
    folder.clear(out)
    Run(out).check_free()
    demo = FaultRun(fault, out, console)
    demo.write()
    with fault.within():
        demo.run()
    demo.write()
    return demo.figures


@dataclass(slots=True)
class FaultRun:
    """One demo run with a fault.

    Attributes:
        fault: What is injected.
        out: The demo's folder.
        console: Where to print.
        began: When it began, on the monotonic clock.
        figures: Grow as it goes.
        row: Number of the training row whose tokens are shown before and after; None: none was chosen yet.
    """

    fault: Fault
    out: Path
    console: Console
    began: float = field(default_factory=time.monotonic)
    figures: dict[str, Any] = field(default_factory=dict)
    row: int | None = None

    def __post_init__(self) -> None:
        self.figures = {"fault": self.fault.name, "injected": self.fault.injected, "completed": False}

    def write(self) -> None:
        """Write the figures, so that a demo that was interrupted is known as one too."""
        self.figures["seconds"] = round(time.monotonic() - self.began, 1)
        Run(self.out).write_json(self.out / FIGURES, self.figures)

    def run(self) -> None:
        """Run all sections; end early where one does not go as it should."""
        fault, console = self.fault, self.console
        section(console, 1, f"The fault: {fault.name}", fault.injected)
        paragraph(console, f"How people get into it: {fault.how}")
        file = inject(fault, self.out)
        where = shortest_path(file.parent)
        paragraph(console, f"It is injected in {where}; the packaged files stay as they are.", "dim")
        with typed(shortest_path(file)):
            cleared = self._script(file) if fault.name == "prompt-loss" else self._configuration(file)
        if not cleared:
            paragraph(console, "The demo has not gone as it should: this is a fault of the demo.", "bold red")
            return
        self._train(file)

    def _configuration(self, file: Path) -> bool:
        """Refuse, fix as `sanetune check --fix` does, by hand where that is not enough, and clear."""
        from sanetune.config import load
        from sanetune.report.terminal.live import LiveTerminal
        from sanetune.workflows.fix import correct

        fault, console = self.fault, self.console
        section(console, 2, "The check", f"sanetune check sanetune.yaml --level {fault.level}")
        summaries: list[CheckSummary] = []
        note = ""

        def on_round(config: Config, evidence: Evidence, report: Report, before: Sequence[Round]) -> None:
            nonlocal note
            from sanetune.workflows.clear import store_clearance

            summaries.append(CheckSummary.of(report, evidence))
            note = store_clearance(config, report, evidence, partial=False)
            if len(summaries) == 1:
                self._refusal(report, evidence.ready("prepared"))

        done = correct(load(file), level=fault.level, publish=LiveTerminal(console), on_round=on_round)
        self.figures["refused"] = summaries[0].to_json()
        if not self._found(summaries[0].report):
            return False
        self._fixes(done)
        if done.report.verdict is Verdict.FAIL:
            return self._fix_by_hand(file) and self._check_again(file)
        if LEVELS.index(fault.level) < LEVELS.index(load(file).check.level):
            return self._check_again(file)
        self.figures["cleared"] = summaries[-1].to_json()
        section(console, 4, "The check again", "The last round of the fix has checked all of it.")
        put(console, findings_of(done.report, ()))
        paragraph(console, note, "dim")
        self._row_now(load(file))
        return True

    def _fix_by_hand(self, file: Path) -> bool:
        """Do what a person has to do; False where there is nothing that a person would do."""
        if self.fault.fix is None:
            return False
        text, done = self.fault.fix(file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
        paragraph(self.console, done)
        self.figures["fixed_by_hand"] = done
        return True

    def _script(self, file: Path) -> bool:
        """The same for a trainer that somebody has built."""
        from sanetune import api
        from sanetune.demo import own_script

        console, select = self.console, ["labels", "template-end-unlearnt"]
        section(console, 2, "The check", "One line in a script of your own, before trainer.train():")
        paragraph(console, own_script.SCRIPT, "cyan")
        console.print()
        trainer = own_script.on_messages(self.out / "script")
        report = api.check(trainer, select=select)
        self.figures["refused"] = CheckSummary.of(report).to_json()
        put(console, findings_of(report, self.fault.checks))
        self._tokens("The first row, as its collator gives it", trainer.processing_class, own_script.first_row(trainer))
        if not self._found(report):
            return False
        words = "The same trainer on rows that sanetune has prepared: only answers are in the loss, for any template."
        section(console, 3, "The fix", words)
        paragraph(console, own_script.FIXED, "cyan")
        prepared = api.prepare(str(file))
        trainer = own_script.on_prepared(self.out / "script", prepared)
        report = api.check(trainer, select=select)
        self._tokens("The same row", trainer.processing_class, own_script.first_row(trainer))
        put(console, findings_of(report, self.fault.checks))
        self.figures["fixed_by_hand"] = words
        return report.verdict is not Verdict.FAIL and self._check_again(file)

    def _found(self, report: Report) -> bool:
        """Whether the run was refused, and for the fault that was injected."""
        failed = {finding.check for finding in report.of(Verdict.FAIL)}
        return bool(failed & set(self.fault.checks))

    def _refusal(self, report: Report, prepared: Prepared | None) -> None:
        """Show the findings, and tokens where that fits the fault."""
        put(self.console, findings_of(report, self.fault.checks))
        if self.fault.shows_tokens and prepared is not None:
            self._row(prepared, "What would be trained on")

    def _row(self, prepared: Prepared, title: str) -> None:
        """Show which tokens of one row are in the loss; the same row each time."""
        if self.row is None:
            self.row = _clear_row(prepared)
        found = next((one for one in prepared.train if one["row"] == self.row), None)
        if found is not None:
            self._tokens(title, prepared.tokenizer, found)

    def _tokens(self, title: str, tokenizer: PreTrainedTokenizerBase, row: dict[str, Any]) -> None:
        from rich.text import Text

        from sanetune.report.terminal import data as data_view
        from sanetune.report.terminal.layout import without_colour

        marked = without_colour(self.console)
        head = Text.assemble((f"\n{title}. ", "bold"), data_view.legend(marked=marked))
        put(self.console, [head, data_view.tokens(tokenizer, row, marked=marked), Text()])

    def _fixes(self, done: Fixed) -> None:
        """Show what `check --fix` could do."""
        from sanetune.report.terminal.fixes import show

        console = self.console
        section(console, 3, "The fix", f"sanetune check sanetune.yaml --level {self.fault.level} --fix")
        self.figures["changes"] = [change.to_json() for change in done.changes]
        self.figures["rounds"] = len(done.rounds)
        if done.changes:
            show(done, console)
        else:
            paragraph(console, "Nothing is changed: no setting is sure to fix this.")
        if curves := _curves(done):
            put(console, curves)

    def _check_again(self, file: Path) -> bool:
        from sanetune.config import load

        console = self.console
        config = load(file)
        section(console, 4, "The check again", f"sanetune check sanetune.yaml --level {config.check.level}")
        summary = check(config, console)
        self.figures["cleared"] = summary.to_json()
        put(console, findings_of(summary.report, self.fault.checks))
        if config.check.level != "trial":
            paragraph(console, "No trial here, to be short: `sanetune demo` and --fault rate have one.", "dim")
        self._row_now(config)
        return summary.report.verdict is not Verdict.FAIL

    def _row_now(self, config: Config) -> None:
        from sanetune.api import prepare

        if self.fault.shows_tokens and self.row is not None:
            self._row(prepare(config), "The same row now")

    def _train(self, file: Path) -> None:
        """Train a short run with that clearance, and show both models' answers."""
        from sanetune import api
        from sanetune.config import load

        console = self.console
        section(console, 5, "Training", "One epoch, with that clearance: nothing is checked twice.")
        config = load(file)
        trained = api.train(config, console=console)
        assert trained.outcome.model is not None
        answers = Answers(api.prepare(config), trained.outcome.model)
        section(console, 6, "Before and after", "The same prompts, the same greedy decoding.")
        answers.show(console, SHOWN)
        self.figures |= answers.figures(console)
        took = units.seconds(time.monotonic() - self.began)
        if self.figures["completed"]:
            paragraph(console, f"{self.fault.name}: refused, fixed, cleared, trained, in {took}.", "bold green")
        else:
            paragraph(console, "The tuned model is not what it should be: this is a fault of the demo.", "bold red")


def _clear_row(prepared: Prepared) -> int:
    """The number of a training row that shows the fault well: one that has lost a few tokens, else a short one."""
    incomplete = [row for row in (*prepared.dropped, *prepared.truncated) if row.split == "train"]
    dropped = sorted((one.tokens_dropped, one.row or 0) for one in incomplete)
    some = [row for tokens, row in dropped if tokens >= DROPPED]
    lengths = list(prepared.train["length"])
    return int(some[0] if some else prepared.train[lengths.index(min(lengths))]["row"])


def _curves(done: Fixed) -> list[RenderableType]:
    """Validation losses of the first and the last trial, where there were two."""
    from rich.text import Text

    from sanetune.report.terminal.grid import drawing

    trials = [trial for one in done.rounds if (trial := Experiments.from_json(one.report.experiments).trial)]
    if len(trials) < 2:
        return []
    curves = {}
    for when, trial in (("after", trials[-1]), ("before", trials[0])):
        evaluations = finite(trial.curve.fixed_batch)
        name = f"{when}, learning rate {trial.curve.planned_lr:.2g}"
        curves[name] = ([one.step for one in evaluations], [one.loss for one in evaluations])
    last = max((steps[-1] for steps, _ in curves.values() if steps), default=1)
    title = Text("\nLoss on a fixed batch of validation rows during the trial", style="bold")
    return [title, *drawing(curves, label=lambda loss: f"{loss:.2f}", last=int(last))]
