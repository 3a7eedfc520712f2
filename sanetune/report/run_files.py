"""Write the plots and the model card of a run into its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.atomic import write_text
from sanetune.curves.logs.metrics import curve
from sanetune.engine.save import write_card
from sanetune.events import Event, RunFinished, RunStarted, RunStopped
from sanetune.report import badge, card, clearance, plots
from sanetune.report.lowest import lowest_evaluation

if TYPE_CHECKING:
    from sanetune.runs import Run
    from sanetune.workflows.train import Trained


class RunFiles:
    """Draws the curves of a run when it ends or is stopped, and writes its model card when it ends."""

    def __init__(self) -> None:
        self._started: RunStarted | None = None

    def __call__(self, event: Event) -> None:
        """Write the files that are due at ``event``."""
        match event:
            case RunStarted():
                self._started = event
            case RunStopped(run):
                draw(run)
            case RunFinished(result) if self._started is not None:
                lowest = lowest_evaluation(result.outcome)
                draw(result.run, lowest and lowest[0])
                write_model_card(result, self._started)


def draw(run: Run, lowest_step: int | None = None) -> None:
    """Draw the curves of ``run``, with the evaluation after optimizer step ``lowest_step`` marked."""
    if run.metrics.is_file():
        plots.draw(curve(run.metrics), run.plots, lowest_step=lowest_step)


def write_model_card(result: Trained, started: RunStarted) -> None:
    """Write the card of the tuned model and its badge into the model's folder."""
    run = result.run
    made = card.card_of(
        result.plan.config,
        result.outcome,
        stats=started.prepared.stats,
        versions=run.read_json(run.versions),
        name=run.name,
        gate=clearance.lines(result.clearance) if result.clearance else (),
        comparison=result.comparison,
        badge=badge.words_of(result.clearance)[0],
    )
    write_card(run, card.render(made))
    for folder in (run.model, run.adapter):
        if folder.is_dir():
            write_text(folder / badge.FILE, badge.badge_of(result.clearance))
