"""What the trial leaves: its curve, and what its model answers and has forgotten at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.evidence.registry import MissingError

if TYPE_CHECKING:
    from sanetune.probes.results import Forgetting, PromptSwapGain, Samples, Trial


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """The trial, the samples at its end, and how well it then tells the answers of validation rows from others'.

    Attributes:
        trial: Its steps and evaluations.
        samples: Answers before and after it.
        prompt_swap: Of the model at its end.
        forgetting: What the model has forgotten at its end; None, or the reason in words, where it was not measured.
    """

    trial: Trial
    samples: Samples
    prompt_swap: PromptSwapGain | None
    forgetting: Forgetting | str | None = None

    @property
    def forgotten(self) -> Forgetting:
        """What the model has forgotten; MissingError with the reason where it was not measured."""
        if self.forgetting is None or isinstance(self.forgetting, str):
            raise MissingError(self.forgetting or "general prompts were not asked")
        return self.forgetting
