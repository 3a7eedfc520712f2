"""What will lie beside the weights: the chat template that whoever loads the tuned model gets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """``template``: the chat template that will be saved (None: none); ``trained_template``: the one that the training
    text is rendered with (None: not known)."""

    template: str | None
    trained_template: str | None
