"""Answers of the base and of the tuned model to the same prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune.atomic import restore_non_finite
from sanetune.engine.answer import Answer
from sanetune.engine.batches import collate_for
from sanetune.engine.generate import stop_ids
from sanetune.engine.loss import measure
from sanetune.engine.models import attention_of
from sanetune.probes.prompts import Prompts, answers, max_new_tokens
from sanetune.probes.results import Comparison, Sample, Samples
from sanetune.probes.results.comparison import answer_to_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.data.prepare import Prepared


@dataclass(frozen=True, slots=True)
class ModelAnswers:
    """What one model answers, in the order of the prompts.

    Attributes:
        answers: One for each prompt.
        validation_loss: In nats per token in the loss; None: there are no validation rows.
    """

    answers: list[Answer]
    validation_loss: float | None

    @classmethod
    def of(cls, model: PreTrainedModel, prepared: Prepared, prompts: Prompts) -> ModelAnswers:
        """Ask ``model`` every prompt, and measure its validation loss."""
        return cls(answers(model, prepared, prompts), validation_loss(model, prepared))

    def to_json(self) -> dict[str, Any]:
        """Return what ``samples.json`` holds between the base's answers and the end of training."""
        return {"before": [answer_to_json(answer) for answer in self.answers], "base_loss": self.validation_loss}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> ModelAnswers:
        """Read the base's answers out of ``samples.json``, of a run that is under way or finished."""
        kept = plain.get("before") or [pair["base"] for pair in plain.get("pairs", ())]
        loss = plain.get("base_loss", plain.get("validation_loss", {}).get("base"))
        return cls([Answer(**answer) for answer in kept], restore_non_finite(loss))


def validation_loss(model: PreTrainedModel, prepared: Prepared) -> float | None:
    """Return the loss per token in the loss over the validation rows, in nats; None where there are none."""
    if prepared.validation is None:
        return None
    collate = collate_for(prepared.tokenizer.pad_token_id, attention_of(model))
    return measure(model, prepared.validation, collate).loss


def paired(prompts: Prompts, base: Sequence[Answer], tuned: Sequence[Answer], *, calls: bool = False) -> list[Sample]:
    """Return each prompt with both models' answers.

    Args:
        prompts: What both were asked.
        base: The answers of the one.
        tuned: The answers of the other.
        calls: Whether the answers in the data have their calls of tools below their texts, as they are shown.
    """
    references = prompts.with_calls if calls else prompts.references
    rows = zip(prompts.messages, references, prompts.places, base, tuned, strict=True)
    return [Sample(messages, reference, before, after, *place) for messages, reference, place, before, after in rows]


def trial_samples(
    prepared: Prepared, prompts: Prompts, base: Sequence[Answer], tuned: Sequence[Answer], steps: int
) -> Samples:
    """Return the answers before and after a trial of ``steps`` optimizer steps, with what is needed to judge them."""
    tokenizer = prepared.tokenizer
    return Samples(
        paired(prompts, base, tuned),
        max_new_tokens(prepared, prompts),
        steps,
        special_tokens=tuple(tokenizer.all_special_tokens),
        stop_token_ids=tuple(stop_ids(tokenizer, prepared.stop_token_ids)),
    )


def comparison(
    prepared: Prepared, prompts: Prompts, names: tuple[str, str], base: ModelAnswers, tuned: ModelAnswers
) -> Comparison:
    """Return both models side by side, as they are shown and kept.

    Args:
        prepared: The rows of the run.
        prompts: What both models were asked.
        names: Of the base and of the tuned model.
        base: What the base answered.
        tuned: What the tuned model answered.
    """
    decoding = {
        "temperature": 0,
        "max_new_tokens": max_new_tokens(prepared, prompts),
        "stop_token_ids": prepared.stop_token_ids,
    }
    samples = paired(prompts, base.answers, tuned.answers, calls=True)
    return Comparison(samples, *names, base.validation_loss, tuned.validation_loss, decoding)
