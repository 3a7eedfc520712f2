"""The field's answers to overfitting, with values for the run at hand as far as they are known.

A finding's own fix is one of them: the checkpoint at the minimum. Which of the others is best depends on what can be
had (more rows, another run); each is a change of the configuration that can be tried by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sanetune.config.schema import Config
from sanetune.config.sizes import RunSizes
from sanetune.curves.best_checkpoint import keep_best
from sanetune.finding import BAD, Finding, Report
from sanetune.planning.learning_rates import learning_rate

if TYPE_CHECKING:
    from transformers import Trainer

CHECK = "curve-overfit"
THIRD = 3
"""What the learning rate is divided by: the factor of the learning-rate comparison."""
DECAY = (0.05, 0.1)
"""Weight decay that is used against overfitting: the lower for LoRA, whose matrices are small."""
FEW = 2_000
"""Training rows up to which validation loss and the quality of answers may part: LIMA's were 1,000, s1's too."""
EPOCHS = "train.num_train_epochs"
NO_MAXIMUM = {"train.max_steps": -1}
"""What lets the epochs count."""
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


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a run; None: it is not, as of somebody else's log.

    Attributes:
        lr: Learning rate.
        decay: Weight decay.
        full: Whether all weights are trained.
        rows: Training rows; 0: not known.
        loss_tokens: Mean tokens in the loss of a row.
        lora: Learning rate of a LoRA adapter, and where it comes from.
        keeps_best: Whether the weights at the minimum are those that the run ends with.
        saves: Whether checkpoints are saved.
        by_steps: Whether a maximum of steps is set, which counts before the epochs.
    """

    lr: float | None = None
    decay: float | None = None
    full: bool | None = None
    rows: int = 0
    loss_tokens: float | None = None
    lora: tuple[float, str] | None = None
    keeps_best: bool = False
    saves: bool = True
    by_steps: bool | None = None


def overfit_answers(finding: Finding, config: Config, sizes: RunSizes) -> list[OverfitAnswer]:
    """Return the answers to a finding of :data:`CHECK`, for the run that ``config`` describes.

    Args:
        finding: Its numbers say where the minimum was.
        config: The resolved configuration.
        sizes: Of model and data.
    """
    train, model, data = config.train, sizes.model, sizes.data
    # Packs are counted as examples; of them only the rows that were read are known.
    rows = data.rows if train.get("packing") else data.train_examples
    known = _Known(
        lr=float(train.get("learning_rate") or 0.0) or None,
        decay=float(train.get("weight_decay") or 0.0),
        full=config.model.adapter is None,
        rows=rows,
        loss_tokens=data.loss_tokens / rows if rows else 0.0,
        lora=learning_rate("lora", model.parameters, model.hidden),
        keeps_best=bool(train.get("load_best_model_at_end")),
        saves=train.get("save_strategy") != "no",
        by_steps=int(train.get("max_steps") or -1) > 0,
    )
    return _answers(finding, known)


def answers_of_log(finding: Finding, arguments: Mapping[str, object] | None = None) -> list[OverfitAnswer]:
    """Return the answers to a finding of :data:`CHECK` in a log of which no configuration is known.

    Args:
        finding: Its numbers say where the minimum was.
        arguments: Those of its trainer by name, as far as the log has them.
    """
    lr, given = finding.numbers.get("planned_rate"), arguments or {}
    decay, steps = given.get("weight_decay"), given.get("max_steps")
    known = _Known(
        lr=lr if lr and math.isfinite(lr) and lr > 0 else None,
        decay=float(decay) if isinstance(decay, int | float) and math.isfinite(decay) else None,
        full=False if given.get("peft_config") else None,
        keeps_best=given.get("load_best_model_at_end") is True,
        saves=given.get("save_strategy") != "no",
        by_steps=float(steps) > 0 if isinstance(steps, int | float) else None,
    )
    return _answers(finding, known)


def answers_of_trainer(finding: Finding, trainer: Trainer) -> list[OverfitAnswer]:
    """Return the answers to a finding of :data:`CHECK` in the run of somebody's own ``trainer``."""
    rows = trainer.train_dataset
    known = _Known(
        lr=float(trainer.args.learning_rate) or None,
        decay=float(trainer.args.weight_decay),
        full=not hasattr(trainer.model, "peft_config"),
        rows=len(rows) if isinstance(rows, Sized) else 0,
        keeps_best=bool(trainer.args.load_best_model_at_end),
        saves=trainer.args.save_strategy != "no",
        by_steps=trainer.args.max_steps > 0,
    )
    return _answers(finding, known)


def with_answers(report: Report, answers: Callable[[Finding], list[OverfitAnswer]]) -> Report:
    """Return the report with the answers to each finding of :data:`CHECK` that asks for something to be done."""

    def answered(finding: Finding) -> Finding:
        some = [answer.to_json() for answer in answers(finding)]
        fix = dict(finding.fix)
        # Fewer epochs alone do nothing where a maximum of steps is set.
        if EPOCHS in fix and any(one["change"].items() >= NO_MAXIMUM.items() for one in some):
            fix |= NO_MAXIMUM
        return replace(finding, answers=some, fix=fix)

    return replace(
        report,
        findings=[answered(one) if one.check == CHECK and one.verdict in BAD else one for one in report.findings],
    )


def _answers(finding: Finding, known: _Known) -> list[OverfitAnswer]:
    numbers = finding.numbers
    step, per_epoch = numbers["lowest_step"], numbers["steps_per_epoch"]
    answers = []
    if step > 0:
        answers.append(_of_checkpoint(step, keep_best(numbers.get("validation_name", "")), known))
    if step > 0 and per_epoch:
        epochs = float(f"{step / per_epoch:.2g}")
        words = f"Train for {epochs:g} epochs: the minimum was there, and the learning rate will then be down."
        no_maximum = {} if known.by_steps is False else NO_MAXIMUM
        answers.append(OverfitAnswer("fewer epochs", words, {EPOCHS: epochs, **no_maximum}))
    return [*answers, *_of_settings(known), *_of_data(known)]


def _of_checkpoint(step: int, best: Mapping[str, Any], known: _Known) -> OverfitAnswer:
    name = "the checkpoint at the minimum"
    words = f"Keep the checkpoint of step {step:,}, where the validation loss was lowest"
    if known.keeps_best:
        return OverfitAnswer(name, f"{words}: train.load_best_model_at_end is true and does that.")
    if known.saves:
        return OverfitAnswer(name, f"{words}.", best)
    words = f"Save checkpoints as often as is evaluated: none was saved at step {step:,}, where the validation loss was"
    return OverfitAnswer(name, f"{words} lowest.", {"train.save_strategy": "steps", **best})


def _of_settings(known: _Known) -> list[OverfitAnswer]:
    answers = []
    if known.lr:
        lower = float(f"{known.lr / THIRD:.1e}")
        words = f"Lower train.learning_rate from {known.lr:g} to {lower:g}: each epoch then memorises less."
        answers.append(OverfitAnswer("a lower learning rate", words, {"train.learning_rate": lower}))
    decay = DECAY[0] if known.full is False else DECAY[1]
    if known.decay is None or known.decay < decay:
        now = "" if known.decay is None else f"; it is {known.decay:g}"
        words = f"Set train.weight_decay to {decay:g} ({DECAY[0]:g} to {DECAY[1]:g} are used){now}."
        answers.append(OverfitAnswer("weight decay", words, {"train.weight_decay": decay}))
    if known.lora and known.full:
        value, reason = known.lora
        words = f"Train a LoRA adapter at {value:g} ({reason}): it learns less and forgets less."
        answers.append(OverfitAnswer("LoRA", words, {"model.adapter": "lora", "train.learning_rate": value}))
    elif known.full is not False:
        words = "Train a LoRA adapter, where all weights are trained: it learns less and forgets less."
        answers.append(OverfitAnswer("LoRA", words))
    return answers


def _of_data(known: _Known) -> list[OverfitAnswer]:
    words = (
        f"Train on more rows, or more varied ones; there are {known.rows:,}." if known.rows else "Train on more rows."
    )
    answers = [OverfitAnswer("more data", words)]
    of_log = not known.rows
    if of_log or known.rows <= FEW:
        rows = f"{known.rows:,}" if known.rows else "about 1,000"
        caveat = (
            f"With {rows} rows the validation loss may rise while answers improve (LIMA, 1,000 rows): read sample"
            " answers of both checkpoints before you decide."
        )
        answers.append(OverfitAnswer("caveat", caveat))
    if of_log or (known.loss_tokens or 0.0) >= LONG:
        caveat = (
            "With long answers that reason, many epochs on few rows have helped while the validation loss rose"
            " (arXiv 2602.11149): judge by token accuracy and sample answers."
        )
        answers.append(OverfitAnswer("caveat", caveat))
    return answers
