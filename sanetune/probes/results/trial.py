"""What the trial found: its curve, its timing and the answers at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sanetune.curves.paired import PairedDifference
from sanetune.curves.series import Curve
from sanetune.data.conversation import Message
from sanetune.engine.answer import Answer


@dataclass(frozen=True, slots=True)
class Timing:
    """What the steps of the trial took on this device. Lists have one number per optimizer step.

    Attributes:
        step_seconds: Without evaluations.
        tokens: Without padding.
        loss_tokens: Those of them in the loss.
        padded_tokens: With padding.
        dataloader_seconds: Time in which the step waited for the dataloader.
        evaluation_seconds: Of the last evaluation of the validation rows.
        evaluation_loss_tokens: Tokens in the loss of that evaluation.
        peak_bytes: The most memory in use on the device, or of the process where a CPU trains.
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
        curve: What was logged and evaluated.
        timing: What the steps took.
        planned_steps: Steps that were meant.
        steps: Steps that were made.
        stopped: Why it ended early, in words; "": it did not.
        validation_split: The split of the validation rows: "train" where the trial had to set rows aside itself.
    """

    curve: Curve
    timing: Timing
    planned_steps: int
    steps: int
    stopped: str = ""
    validation_split: Literal["validation", "train"] = "validation"


@dataclass(frozen=True, slots=True)
class Sample:
    """One prompt, and the greedy answers of the base and the tuned model.

    Attributes:
        messages: The conversation up to the answer.
        reference: The answer in the data; None: a prompt of the user's own.
        base: Before training.
        tuned: After it.
        split: Where the row is from; None: a prompt of the user's own.
        number: Of the row in its split, from 0.
    """

    messages: list[Message]
    reference: str | None
    base: Answer
    tuned: Answer
    split: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Samples:
    """Answers of the base and of the model after its trial, to the same prompts.

    Attributes:
        samples: The user's own prompts first.
        max_new_tokens: Tokens that an answer may have.
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
    """How much likelier answers are after their own prompt.

    Attributes:
        over_other_prompt: Loss after another row's prompt minus loss after the own one, each row counted once.
        over_no_prompt: Mean loss without a prompt minus mean loss after the own one, in nats per token.
    """

    over_other_prompt: PairedDifference
    over_no_prompt: float
