"""Texts for the programs that show a run's curves: each takes them in its own way, and some not at all."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from sanetune.engine.watcher import TrackerText

if TYPE_CHECKING:
    from transformers import TrainerCallback

STEP = "train/global_step"
"""The name under which transformers tells W&B and trackio the step of everything that it logs."""


def posting(callback: TrainerCallback, text: TrackerText) -> Callable[[], object] | None:
    """Return the call that gives ``text`` to a tracker; None: it takes none.

    To be asked in the thread in which the tracker's run has begun. The call may be made in another.

    Args:
        callback: Transformers' callback of TensorBoard, W&B, trackio or MLflow, whose run has begun.
        text: What the tracker gets.
    """
    if (writer := getattr(callback, "tb_writer", None)) is not None:
        return partial(writer.add_text, text.name, text.text, text.step)
    if (wandb := getattr(callback, "_wandb", None)) is not None:
        # Its Html is made of trusted text alone; a table shows what a model wrote as it is.
        table = partial(wandb.Table, columns=["step", "text"], data=[[text.step, text.text]])
        return lambda: wandb.log({text.name: table(), STEP: text.step})
    if (trackio := getattr(callback, "_trackio", None)) is not None:
        # Its run is a variable of the context, which a thread begins without.
        run = contextvars.copy_context().run
        return lambda: run(trackio.log, {text.name: trackio.Markdown(text.text), STEP: text.step})
    mlflow = getattr(callback, "_ml_flow", None)
    if mlflow is None or (active := mlflow.active_run()) is None:
        return None
    file, run_id = f"{text.name}/step-{text.step}.md", active.info.run_id
    return lambda: mlflow.log_text(text.text, file, run_id=run_id)
