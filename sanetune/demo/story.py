"""The whole story on the embedded model: plan, masks, the check, training with its clearance, answers side by side."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanetune.demo import MODEL, stage
from sanetune.demo.faults import TRIAL, sound_settings

if TYPE_CHECKING:
    from rich.console import Console

    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared
    from sanetune.demo.gate import Look
    from sanetune.demo.score import Reply

SHOWN = 3
"""Held-out prompts whose answers are shown; all of them are judged."""


def settings(out: Path) -> dict[str, Any]:
    """The demo's configuration: little is set, the rest is derived and shown with its reasons."""
    return sound_settings(epochs=2) | {"check": dict(TRIAL), "run": {"output_dir": str(out), "name": "demo"}}


def tell(out: Path, console: Console | None = None) -> dict[str, Any]:
    """Runs everything into the folder ``out``; returns the figures, which also lie in ``out/demo.json``. In them,
    ``as_told`` says whether the story has ended as it should.

    Takes under four minutes on two cores. An earlier demo's folder is replaced, any other folder that is not empty is
    a RunError.
    """
    began = time.monotonic()
    from rich.console import Console

    from sanetune.api import prepare
    from sanetune.config import load
    from sanetune.demo.gate import train
    from sanetune.report.terminal import data as data_view
    from sanetune.report.terminal.curves import losses
    from sanetune.runs import Run

    console = console or Console(highlight=False)
    stage.clear(out)
    Run(out).check_free()
    config = load(settings(out))
    prepared = prepare(config, console=console)
    plan = _plan(config, prepared, console)
    stage.chapter(
        console, 2, "What is learnt", "Only the answers count: green tokens are learnt, dim ones are read and masked."
    )
    stage.put(console, data_view.examples(prepared, count=1))
    look = _check(config, prepared, plan, console)
    if look.report.exit_code:
        return _refused(Run(out), look, began)
    stage.chapter(
        console, 4, "Training", "With that clearance. Every record goes to metrics.jsonl; validation every 50 steps."
    )
    asked = stage.prompts()
    before = stage.replies(stage.load(MODEL), prepared, asked)
    trained = train(config, console)
    stage.put(console, losses(trained.outcome.records))
    stage.chapter(console, 5, "Before and after", "The same prompts, the same greedy decoding, base and tuned model.")
    after = stage.replies(trained.outcome.model, prepared, asked)
    for number in range(SHOWN):
        stage.show(console, asked[number], base=before[number], tuned=after[number])
    return _finish(console, Run(out), asked, before, after, look, began)


def _plan(config: Config, prepared: Prepared, console: Console) -> Any:
    from sanetune.planning import plan as planning
    from sanetune.report.terminal import plan as plan_view

    found = planning.plan(config, prepared)
    stage.chapter(console, 1, "The plan", "A small base model, letters to a shop, and what a run with them will do.")
    stage.put(console, plan_view.parts(found)[:2])
    stage.say(console, "`sanetune plan` shows schedules and the reason for every value, too.", "dim")
    return found


def _check(config: Config, prepared: Prepared, plan: Any, console: Console) -> Look:
    """The check, and what it showed."""
    from sanetune.demo import gate
    from sanetune.evidence.from_config import given_rows

    words = "Before anything is spent: look, probe the model, overfit, compare rates, try the first steps."
    stage.chapter(console, 3, "The check", words)
    look = gate.check(config, console, {**given_rows(config, prepared), "plan": plan})
    stage.put(console, [gate.table(look)])
    console.print()
    names = [finding.check for finding in look.report.findings]
    stage.put(console, gate.shown(look.report, names))
    steps = plan.steps.total_steps
    said = f"The trial has {TRIAL['trial_steps']} steps here and not 200: the whole run has {steps}."
    if look.share is not None:
        said += f" Even so the check takes {look.share:.1f} times as long as so short a run,"
        said += " and no longer before a long one."
    stage.say(console, said, "dim")
    return look


def _refused(run: Any, look: Look, began: float) -> dict[str, Any]:
    """The embedded model and data are sound: this is a fault of ours, or of the machine."""
    figures = {"check": look.to_json(), "seconds": round(time.monotonic() - began, 1), "as_told": False}
    run.write_json(run.path / stage.FIGURES, figures)
    return figures


def _finish(
    console: Console,
    run: Any,
    asked: list[dict[str, Any]],
    before: list[Reply],
    after: list[Reply],
    look: Look,
    began: float,
) -> dict[str, Any]:
    """Scores, prints and stores the figures."""
    from rich.text import Text

    from sanetune import units
    from sanetune.demo.score import score
    from sanetune.text import shortest_path

    base, tuned = score(before, asked), score(after, asked)
    seconds = round(time.monotonic() - began, 1)
    told = stage.better(base, tuned)
    figures = {"base": base, "tuned": tuned, "check": look.to_json(), "seconds": seconds, "as_told": told}
    run.write_json(run.path / stage.FIGURES, figures)
    stage.put(console, [stage.table(base, tuned, len(asked))])
    stage.say(console, f"The whole story took {units.seconds(seconds)}. Everything lies in {shortest_path(run.path)}:")
    kept = {
        "model": "the tuned model",
        "clearance.json": "what was proved, about which settings and data",
        "plots/curves.png": "curves",
        stage.FIGURES: "these figures",
    }
    for name, what in kept.items():
        console.print(Text(f"  {shortest_path(run.path / name)}  {what}", style="dim"))
    if not told:
        stage.say(console, "The tuned model is not what it should be: this is a fault of the demo.", "bold red")
    stage.say(console, "Next: sanetune demo --fault rate, and then your own: sanetune init MODEL DATA.")
    return figures
