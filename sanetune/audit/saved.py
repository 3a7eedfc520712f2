"""What will lie beside the weights: the chat template and stop tokens that whoever loads the tuned model gets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Saved:
    """``template``: the chat template that will be saved (None: none); ``stop_ids``: tokens that will end generation;
    ``trained_template``: the one that the training text is rendered with (None: not known)."""

    template: str | None
    stop_ids: frozenset[int]
    trained_template: str | None
