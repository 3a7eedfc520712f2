"""Results of the trial: its curve, its timing and the answers at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sanetune.curves.paired import PairedDifference
from sanetune.curves.series import Curve
from sanetune.data.conversation import Message
from sanetune.engine.answer import Answer


@dataclass(frozen=True, slots=True)
class Timing:
    """The time, tokens and memory of the trial's steps on this device. Lists have one number per optimizer step.

    Attributes:
        step_seconds: Seconds of each step, without evaluations.
        tokens: Tokens of each step, without padding.
        loss_tokens: Tokens of each step that are in the loss.
        padded_tokens: Tokens of each step, with padding.
        dataloader_seconds: Seconds in which each step waited for the dataloader.
        evaluation_seconds: Seconds of the last evaluation of the validation rows.
        evaluation_loss_tokens: Tokens in the loss of that evaluation.
        peak_bytes: Peak memory of the device, or of the process on a CPU.
    """

    step_seconds: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    loss_tokens: list[int] = field(default_factory=list)
    padded_tokens: list[int] = field(default_factory=list)
    dataloader_seconds: list[float] = field(default_factory=list)
    evaluation_seconds: float = 0.0
    evaluation_loss_tokens: int = 0
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """The first steps of the real run.

    Attributes:
        curve: Losses and evaluations.
        timing: Time and memory of the steps.
        planned_steps: Steps of a complete trial.
        steps: Steps that were made.
        stopped: Why the trial ended early; "": it did not.
        validation_split: Split of the validation rows; "train": the trial held out training rows.
        run_warmup_steps: Warm-up steps of the run where the trial has fewer, to reach the highest learning rate; 0: as
            many.
    """

    curve: Curve
    timing: Timing
    planned_steps: int
    steps: int
    stopped: str = ""
    validation_split: Literal["validation", "train"] = "validation"
    run_warmup_steps: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt, and the greedy answers of the base and the tuned model.

    Attributes:
        messages: The conversation up to the answer.
        reference: The answer in the data; None: a prompt of the user's own.
        base: Answer before training.
        tuned: Answer after training.
        split: Split of the row; None: a prompt of the user's own.
        number: Number of the row in its split, from 0.
    """

    messages: list[Message]
    reference: str | None
    base: Answer
    tuned: Answer
    split: str | None = None
    number: int | None = None

    @property
    def answered(self) -> bool:
        """Whether both models could be asked; other samples count in no number."""
        return not self.base.note and not self.tuned.note


@dataclass(frozen=True, slots=True)
class Samples:
    """Answers of the base and of the model after its trial to the same prompts.

    Attributes:
        samples: Prompts with both answers, the user's own first.
        max_new_tokens: Limit on the tokens of an answer.
        steps: Optimizer steps before the tuned answers.
        special_tokens: The tokenizer's special tokens, as text.
        stop_token_ids: Tokens that end an answer.
    """

    samples: list[Sample] = field(default_factory=list)
    max_new_tokens: int = 0
    steps: int = 0
    special_tokens: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptSwapGain:
    """How much lower the loss of answers is after their own prompt.

    Attributes:
        over_other_prompt: Loss after another row's prompt minus loss after the own prompt, averaged over rows.
        over_no_prompt: Mean loss without a prompt minus mean loss after the own prompt, in nats per token.
    """

    over_other_prompt: PairedDifference
    over_no_prompt: float
