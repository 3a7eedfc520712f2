"""The chat template that is saved beside the weights: whoever loads the tuned model gets it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SavedTemplate:
    """The sources of two chat templates, which should be one."""

    template: str | None
    """What will be saved; None: there is none."""
    trained_template: str | None
    """What the training text is rendered with; None: not known."""
