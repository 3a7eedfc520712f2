"""Texts for the programs that show a run's curves: each takes them in its own way, and some not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.engine.watcher import TrackerText

if TYPE_CHECKING:
    from transformers import TrainerCallback

STEP = "train/global_step"
"""The name under which transformers tells W&B and trackio the step of everything that it logs."""


def send(callback: TrainerCallback, text: TrackerText) -> bool:
    """Give ``text`` to the tracker behind one of transformers' callbacks; returns whether it takes texts.

    Args:
        callback: Of TensorBoard, W&B, trackio or MLflow, whose run has begun.
        text: What it gets.
    """
    if (writer := getattr(callback, "tb_writer", None)) is not None:
        writer.add_text(text.name, text.text, text.step)
    elif (wandb := getattr(callback, "_wandb", None)) is not None:
        # Its Html is made of trusted text alone; a table shows what a model wrote as it is.
        wandb.log({text.name: wandb.Table(columns=["step", "text"], data=[[text.step, text.text]]), STEP: text.step})
    elif (trackio := getattr(callback, "_trackio", None)) is not None:
        trackio.log({text.name: trackio.Markdown(text.text), STEP: text.step})
    elif (mlflow := getattr(callback, "_ml_flow", None)) is not None:
        mlflow.log_text(text.text, f"{text.name}/step-{text.step}.md")
    else:
        return False
    return True
