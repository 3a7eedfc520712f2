"""A story with a fault: planted, refused with evidence, mended, cleared, trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.curves.changes import finite
from sanetune.demo import MODEL, gate, stage
from sanetune.demo.faults import Fault, planted
from sanetune.evidence.experiments import Experiments
from sanetune.evidence.registry import LEVELS
from sanetune.finding import Report, Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.evidence.registry import Evidence
    from sanetune.gate.fixer import Fixed, Round

SHOWN = 1
"""Held-out prompts whose answers are shown; all of them are judged."""
LOST = 20
"""Tokens that the row which is shown has lost at least, where rows are cut."""


def tell(fault: Fault, out: Path, console: Console | None = None) -> dict[str, Any]:
    """Tells the story of ``fault`` in the folder ``out``; returns the figures, which also lie in ``out/demo.json``. In
    them, ``as_told`` says whether it has ended as it should.

    Takes three to seven minutes. An earlier demo's folder is replaced, any other folder that is not empty is
    a RunError.
    """
    from rich.console import Console

    from sanetune.runs import Run

    stage.clear(out)
    Run(out).check_free()
    story = Story(fault, out, console or Console(highlight=False))
    story.keep()
    with fault.within():
        story.tell()
    story.keep()
    return story.figures


@dataclass(slots=True)
class Story:
    """One telling. ``figures`` grow as it goes; ``row``: the row whose tokens are shown before and after."""

    fault: Fault
    out: Path
    console: Console
    began: float = field(default_factory=time.monotonic)
    figures: dict[str, Any] = field(default_factory=dict)
    row: int | None = None

    def __post_init__(self) -> None:
        self.figures = {"fault": self.fault.name, "planted": self.fault.planted, "as_told": False}

    def keep(self) -> None:
        """Writes the figures down, so that also what is broken off is known as a demo's."""
        from sanetune.runs import Run

        self.figures["seconds"] = round(time.monotonic() - self.began, 1)
        Run(self.out).write_json(self.out / stage.FIGURES, self.figures)

    def tell(self) -> None:
        """All chapters; ends early where one does not go as it should."""
        fault, console = self.fault, self.console
        stage.chapter(console, 1, f"The fault: {fault.name}", fault.planted)
        stage.say(console, f"How one gets into it: {fault.how}")
        file = planted(fault, self.out)
        stage.say(console, f"It is planted in {_shortest(file.parent)}; the packaged files stay as they are.", "dim")
        if not (self._script(file) if fault.name == "prompt-loss" else self._configuration(file)):
            stage.say(console, "The story has not ended as it should: this is a fault of the demo.", "bold red")
            return
        self._train(file)

    def _configuration(self, file: Path) -> bool:
        """Refused, corrected as `sanetune check --fix` does, by hand where that is not enough, and cleared."""
        from sanetune.config import load
        from sanetune.report.terminal.live import LiveTerminal
        from sanetune.workflows.fix import correct

        fault, console = self.fault, self.console
        stage.chapter(console, 2, "The gate", f"sanetune check sanetune.yaml --level {fault.level}")
        looks: list[gate.Look] = []
        kept = ""

        def seen(config: Config, evidence: Evidence, report: Report, before: Sequence[Round]) -> None:
            nonlocal kept
            from sanetune.workflows.clear import fingerprint_of, store_clearance

            looks.append(gate.look_of(report, evidence))
            kept = store_clearance(config, report, fingerprint_of(evidence), partial=False)
            if len(looks) == 1:
                self._refusal(report, evidence.ready("prepared"))

        done = correct(load(file), level=fault.level, publish=LiveTerminal(console), on_round=seen)
        self.figures["refused"] = looks[0].to_json()
        if not self._caught(looks[0].report):
            return False
        self._corrected(done)
        if done.report.verdict is not Verdict.FAIL:
            if LEVELS.index(fault.level) < LEVELS.index(load(file).check.level):
                return self._again(file)
            self.figures["cleared"] = looks[-1].to_json()
            stage.chapter(console, 4, "The gate again", "The last round of the correction has looked at all of it.")
            stage.put(console, gate.shown(done.report, ()))
            stage.say(console, kept, "dim")
            self._row_now(load(file))
            return True
        if fault.mend is None:
            return False
        text, said = fault.mend(file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
        stage.say(console, said)
        self.figures["mended"] = said
        return self._again(file)

    def _script(self, file: Path) -> bool:
        """The same for a trainer that somebody has built."""
        from sanetune import api
        from sanetune.demo import own_script

        console = self.console
        stage.chapter(console, 2, "The gate", "One line in a script of one's own, before trainer.train():")
        stage.say(console, own_script.SCRIPT, "cyan")
        console.print()
        trainer = own_script.on_messages(self.out / "script")
        report = api.check(trainer, select=["labels", "template-end-unlearnt"])
        self.figures["refused"] = gate.Look(report, gate.seconds_of(report), None).to_json()
        stage.put(console, gate.shown(report, self.fault.checks))
        self._tokens("The first row, as its collator gives it", trainer.processing_class, own_script.first_row(trainer))
        if not self._caught(report):
            return False
        words = "The same trainer on rows that sanetune has prepared: only answers are learnt, for any chat template."
        stage.chapter(console, 3, "The fix", words)
        stage.say(console, own_script.MENDED, "cyan")
        prepared = api.prepare(str(file))
        trainer = own_script.on_prepared(self.out / "script", prepared)
        report = api.check(trainer, select=["labels", "template-end-unlearnt"])
        self._tokens("The same row", trainer.processing_class, own_script.first_row(trainer))
        stage.put(console, gate.shown(report, self.fault.checks))
        self.figures["mended"] = words
        return report.verdict is not Verdict.FAIL and self._again(file)

    def _caught(self, report: Report) -> bool:
        """Whether the gate has refused, and for the fault that was planted."""
        failed = {finding.check for finding in report.of(Verdict.FAIL)}
        return bool(failed & set(self.fault.checks))

    def _refusal(self, report: Report, prepared: Prepared | None) -> None:
        """Findings, and tokens or curves as fits the fault."""
        stage.put(self.console, gate.shown(report, self.fault.checks))
        if self.fault.shows_tokens and prepared is not None:
            self._row(prepared, "What would be trained on")

    def _row(self, prepared: Prepared, title: str) -> None:
        """One row's tokens in colour; the same row each time."""
        rows = prepared.train
        if self.row is None:
            self.row = _telling(prepared)
        found = next((one for one in rows if one["row"] == self.row), None)
        if found is not None:
            self._tokens(title, prepared.tokenizer, found)

    def _tokens(self, title: str, tokenizer: Any, row: dict[str, Any]) -> None:
        from rich.text import Text

        from sanetune.report.terminal import data as data_view

        head = Text.assemble(
            (f"\n{title}: ", "bold"),
            ("learnt", data_view.LEARNT),
            ", ",
            ("learnt end of a turn", data_view.BORDER),
            ", ",
            ("read only", data_view.PROMPT),
        )
        stage.put(self.console, [head, data_view.tokens(tokenizer, row), Text()])

    def _corrected(self, done: Fixed) -> None:
        """What `check --fix` could do."""
        from sanetune.report.terminal.fixes import show

        console = self.console
        stage.chapter(console, 3, "The fix", f"sanetune check sanetune.yaml --level {self.fault.level} --fix")
        self.figures["changes"] = [change.to_json() for change in done.changes]
        self.figures["rounds"] = len(done.rounds)
        if done.changes:
            show(done, console)
        else:
            stage.say(console, "Nothing is changed: no setting is sure to mend this.")
        if curves := _curves(done):
            stage.put(console, curves)

    def _again(self, file: Path) -> bool:
        from sanetune.config import load

        console = self.console
        config = load(file)
        words = f"sanetune check sanetune.yaml --level {config.check.level}"
        stage.chapter(console, 4, "The gate again", words)
        look = gate.check(config, console)
        self.figures["cleared"] = look.to_json()
        stage.put(console, gate.shown(look.report, self.fault.checks))
        if config.check.level != "trial":
            stage.say(console, "No trial here, to be short: `sanetune demo` and --fault rate have one.", "dim")
        self._row_now(config)
        return look.report.verdict is not Verdict.FAIL

    def _row_now(self, config: Config) -> None:
        from sanetune.api import prepare

        if self.fault.shows_tokens and self.row is not None:
            self._row(prepare(config), "The same row now")

    def _train(self, file: Path) -> None:
        """A short run with that clearance, and both models' answers."""
        from sanetune.api import prepare
        from sanetune.config import load
        from sanetune.demo.score import score

        console = self.console
        stage.chapter(console, 5, "Training", "One epoch, with that clearance: nothing is checked twice.")
        config = load(file)
        trained = gate.train(config, console)
        prepared, asked = prepare(config), stage.prompts()
        before = stage.replies(stage.load(MODEL), prepared, asked)
        after = stage.replies(trained.outcome.model, prepared, asked)
        stage.chapter(console, 6, "Before and after", "The same prompts, the same greedy decoding.")
        for number in range(SHOWN):
            stage.show(console, asked[number], base=before[number], tuned=after[number])
        base, tuned = score(before, asked), score(after, asked)
        stage.put(console, [stage.table(base, tuned, len(asked))])
        self.figures |= {"base": base, "tuned": tuned, "as_told": stage.better(base, tuned)}
        self._end()

    def _end(self) -> None:
        from sanetune import units

        seconds = units.seconds(time.monotonic() - self.began)
        told = f"{self.fault.name}: refused, mended, cleared, trained, in {seconds}." if self.figures["as_told"] else ""
        words = told or "The tuned model is not what it should be: this is a fault of the demo."
        stage.say(self.console, words, "bold green" if told else "bold red")


def _telling(prepared: Prepared) -> int:
    """The number of a training row that shows it well: one that has lost a little, else a short one."""
    lost = [(one["tokens_lost"], one["row"]) for one in prepared.lost if one["split"] == "train"]
    some = [row for tokens, row in sorted(lost) if tokens >= LOST]
    lengths = list(prepared.train["length"])
    return int(some[0] if some else prepared.train[lengths.index(min(lengths))]["row"])


def _curves(done: Fixed) -> list[Any]:
    """Held-out losses of the first and the last trial, where there were two."""
    from sanetune.report.terminal.grid import drawing

    trials = [trial for one in done.rounds if (trial := Experiments.from_json(one.report.proof).trial)]
    if len(trials) < 2:
        return []
    curves = {}
    for when, trial in (("after", trials[-1]), ("before", trials[0])):
        evaluations = finite(trial.curve.fixed_batch)
        name = f"{when}, learning rate {trial.curve.planned_lr:.2g}"
        curves[name] = ([one.step for one in evaluations], [one.loss for one in evaluations])
    last = max((steps[-1] for steps, _ in curves.values() if steps), default=1)
    from rich.text import Text

    title = Text("\nLoss on fixed held-out rows during the trial", style="bold")
    return [title, *drawing(curves, label=lambda loss: f"{loss:.2f}", last=int(last))]


def _shortest(path: Path) -> str:
    from sanetune.text import shortest_path

    return shortest_path(path)
