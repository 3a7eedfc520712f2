"""The field's answers to overfitting, with values for the run at hand.

A finding's own fix is one of them: the checkpoint at the minimum. Which of the others is best depends on what can be
had (more rows, another run); each is a change of the configuration that can be tried by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sanetune.config.schema import Config
from sanetune.config.sizes import RunSizes
from sanetune.finding import Finding
from sanetune.planning.learning_rates import learning_rate

CHECK = "curve-overfit"
THIRD = 3
"""What the learning rate is divided by: the factor of the learning-rate comparison."""
DECAY = (0.05, 0.1)
"""Weight decay that is used against overfitting: the lower for LoRA, whose matrices are small."""
FEW = 2_000
"""Training rows up to which validation loss and the quality of answers may part: LIMA's were 1,000, s1's too."""
LONG = 1_000
"""Mean tokens in the loss of a row, from which its answers are long: those of reasoning data have several thousand."""


@dataclass(frozen=True, slots=True)
class OverfitAnswer:
    """One answer.

    Attributes:
        name: What it is, in one or two words.
        words: What to do and why, in a sentence.
        change: ``section.key`` -> value; empty: nothing in the configuration.
    """

    name: str
    words: str
    change: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "words": self.words, "change": dict(self.change)}


def overfit_answers(finding: Finding, config: Config, sizes: RunSizes) -> list[OverfitAnswer]:
    """Return the answers to a finding of :data:`CHECK`, for the run that ``config`` describes.

    Args:
        finding: Its numbers say where the minimum was.
        config: The resolved configuration.
        sizes: Of model and data.
    """
    numbers = finding.numbers
    step, per_epoch = numbers["lowest_step"], numbers["steps_per_epoch"]
    answers = []
    if step > 0:
        answers.append(
            OverfitAnswer(
                "the checkpoint at the minimum",
                f"Keep the checkpoint of step {step:,}, where the validation loss was lowest.",
                {"train.load_best_model_at_end": True},
            )
        )
    if step > 0 and per_epoch:
        epochs = float(f"{step / per_epoch:.2g}")
        words = f"Train for {epochs:g} epochs: the minimum was there, and the learning rate will then be down."
        answers.append(OverfitAnswer("fewer epochs", words, {"train.num_train_epochs": epochs, "train.max_steps": -1}))
    return [*answers, *_of_settings(config, sizes), *_of_data(config, sizes)]


def _of_settings(config: Config, sizes: RunSizes) -> list[OverfitAnswer]:
    train, full = config.train, config.model.adapter is None
    answers = []
    if lr := train.get("learning_rate"):
        lower = float(f"{float(lr) / THIRD:.1e}")
        words = f"Lower train.learning_rate from {float(lr):g} to {lower:g}: each epoch then memorises less."
        answers.append(OverfitAnswer("a lower learning rate", words, {"train.learning_rate": lower}))
    decay = DECAY[1] if full else DECAY[0]
    now = float(train.get("weight_decay") or 0.0)
    if now < decay:
        words = f"Set train.weight_decay to {decay:g} ({DECAY[0]:g} to {DECAY[1]:g} are used); it is {now:g}."
        answers.append(OverfitAnswer("weight decay", words, {"train.weight_decay": decay}))
    if full:
        value, reason = learning_rate("lora", sizes.model.parameters, sizes.model.hidden)
        words = f"Train a LoRA adapter at {value:g} ({reason}): it learns less and forgets less."
        answers.append(OverfitAnswer("LoRA", words, {"model.adapter": "lora", "train.learning_rate": value}))
    return answers


def _of_data(config: Config, sizes: RunSizes) -> list[OverfitAnswer]:
    # Packs are counted as examples; of them only the rows that were read are known.
    rows = sizes.data.rows if config.train.get("packing") else sizes.data.train_examples
    words = f"Train on more rows, or more varied ones; there are {rows:,}." if rows else "Train on more rows."
    answers = [OverfitAnswer("more data", words)]
    if 0 < rows <= FEW:
        caveat = (
            f"With {rows:,} rows the validation loss may rise while answers improve (LIMA, 1,000 rows): read sample"
            " answers of both checkpoints before you decide."
        )
        answers.append(OverfitAnswer("caveat", caveat))
    if rows and sizes.data.loss_tokens / rows >= LONG:
        caveat = (
            "With long answers that reason, many epochs on few rows have helped while the validation loss rose"
            " (arXiv 2602.11149): judge by token accuracy and sample answers."
        )
        answers.append(OverfitAnswer("caveat", caveat))
    return answers
