"""Answers and losses of the base and the tuned model, as `sanetune compare` shows and a run stores them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sanetune.atomic import restore_non_finite
from sanetune.engine.answer import Answer
from sanetune.probes.results.trial import Sample


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models' greedy answers to the same prompts, and their losses on the same rows.

    Attributes:
        samples: The user's own prompts first.
        base: Name of the base model.
        tuned: Folder of the tuned model.
        base_loss: Validation loss of the base in nats per token in the loss; None: there are no validation rows.
        tuned_loss: The same of the tuned model.
        decoding: Settings of decoding: temperature, limit on new tokens, and stop tokens.
    """

    samples: list[Sample]
    base: str
    tuned: str
    base_loss: float | None = None
    tuned_loss: float | None = None
    decoding: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``comparison.json``, and of ``samples.json`` of a finished run."""
        return {
            "base": self.base,
            "tuned": self.tuned,
            "validation_loss": {"base": self.base_loss, "tuned": self.tuned_loss},
            "decoding": self.decoding,
            "pairs": [
                {
                    "prompt": sample.messages,
                    "base": answer_to_json(sample.base),
                    "tuned": answer_to_json(sample.tuned),
                    "origin": "yours" if sample.reference is None else "held-out",
                    "reference": sample.reference,
                }
                for sample in self.samples
            ],
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Comparison:
        """Read what :meth:`to_json` returned, in this or an earlier version.

        Raises:
            KeyError: A key is missing.
            TypeError: A value has the wrong type.
        """
        losses = plain.get("validation_loss") or {}
        return cls(
            [
                Sample(pair["prompt"], pair.get("reference"), Answer(**pair["base"]), Answer(**pair["tuned"]))
                for pair in plain["pairs"]
            ],
            plain["base"],
            plain["tuned"],
            restore_non_finite(losses.get("base")),
            restore_non_finite(losses.get("tuned")),
            plain.get("decoding") or {},
        )


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """Return an answer as it is stored, without its text with special tokens."""
    return {"text": answer.text, "ended": answer.ended, "tokens": answer.tokens, "note": answer.note}
