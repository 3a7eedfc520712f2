"""Finds callbacks of a trainer that nobody but its user has written, by what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Trainer

ACTING = ("on_train_begin", "on_epoch_begin", "on_step_begin")
"""Events at which a callback may choose what is trained, before the first step."""
LIBRARIES = ("transformers", "trl", "peft", "accelerate", "sanetune")


def own_callbacks(trainer: Trainer, events: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes of callbacks of the user's own that act at one of ``events``."""
    found = []
    for callback in trainer.callback_handler.callbacks:
        homes = [getattr(getattr(type(callback), event, None), "__module__", "") or "" for event in events]
        if any(home.partition(".")[0] not in LIBRARIES for home in homes if home):
            found.append(type(callback).__name__)
    return tuple(found)


def acting_callbacks(trainer: Trainer) -> tuple[str, ...]:
    """Return those that act before the first step."""
    return own_callbacks(trainer, ACTING)
