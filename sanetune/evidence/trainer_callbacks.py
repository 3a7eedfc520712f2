"""Finds callbacks of a trainer that its user has written, by what they do: nobody calls them during a check."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import Trainer

ACTING = ("on_train_begin", "on_epoch_begin", "on_step_begin")
"""Events at which a callback may choose what is trained, before the first step."""
EVALUATES = frozenset(
    [
        *("evaluate", "predict", "evaluation_loop", "prediction_loop", "prediction_step"),
        *("get_eval_dataloader", "should_evaluate"),
    ]
)
"""Names that code uses which evaluates rows, or asks the trainer to."""
LIBRARIES = ("transformers", "trl", "peft", "accelerate", "sanetune")


def acting_callbacks(trainer: Trainer) -> tuple[str, ...]:
    """Return the classes of the user's own callbacks that act before the first step."""
    return tuple(kind.__name__ for kind in _own(trainer) if any(name in ACTING for name, _ in _methods(kind)))


def evaluating_callbacks(trainer: Trainer) -> tuple[str, ...]:
    """Return the classes of the user's own callbacks whose code evaluates rows."""
    found = [
        kind.__name__
        for kind in _own(trainer)
        if any(EVALUATES & set(code.co_names) for _, method in _methods(kind) for code in _codes(method))
    ]
    return tuple(found)


def _own(trainer: Trainer) -> list[type]:
    return [
        kind
        for kind in map(type, trainer.callback_handler.callbacks)
        if kind.__module__.partition(".")[0] not in LIBRARIES
    ]


def _methods(kind: type) -> Iterator[tuple[str, CodeType]]:
    """The functions of a class, of those of its bases that are no library's too."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] not in (*LIBRARIES, "builtins"):
            yield from ((name, value.__code__) for name, value in vars(base).items() if inspect.isfunction(value))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions inside it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)
