"""Plain dataclasses as JSON and back, with the types checked on the way in.

A file of a run may be a stranger's, or edited by hand: what does not fit the types is refused, never repaired.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sanetune.atomic import name_non_finite

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter

T = TypeVar("T")

LARGEST_INTEGER = 2**53
"""Beyond it JSON readers do not agree on an integer (RFC 8259, section 6); no count or size of ours comes near."""


def to_json(value: DataclassInstance) -> dict[str, Any]:
    """Return ``value`` as JSON has it: objects, lists, and "NaN", "Infinity" or "-Infinity" for floats it lacks.

    >>> from sanetune.curves.series import Evaluation
    >>> to_json(Evaluation(50, float("nan")))
    {'step': 50, 'loss': 'NaN', 'sums': [], 'tokens': [], 'accuracy': None}
    """
    return cast("dict[str, Any]", name_non_finite(dataclasses.asdict(value)))


def from_json(kind: type[T], plain: object) -> T:
    """Return the ``kind`` that :func:`to_json` has written as ``plain``. Unknown keys are ignored.

    Raises:
        ValueError: ``plain`` does not fit the type, is nested too deep, or holds an integer that is too large.

    >>> from sanetune.curves.series import Evaluation
    >>> from_json(Evaluation, {"step": 50, "loss": "NaN"})
    Evaluation(step=50, loss=nan, sums=(), tokens=(), accuracy=None)
    """
    try:
        _refuse_large_integers(plain)
        return cast("T", _adapter(kind).validate_python(plain))  # type: ignore[arg-type]
    except RecursionError:
        raise ValueError("nested too deep") from None


@functools.cache
def _adapter(kind: type) -> TypeAdapter:
    """Building one takes some twenty times as long as using it."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _refuse_large_integers(plain: object) -> None:
    if isinstance(plain, int) and abs(plain) > LARGEST_INTEGER:
        raise ValueError(f"an integer has more than {LARGEST_INTEGER.bit_length() - 1} bits")
    if isinstance(plain, dict):
        for one in plain.values():
            _refuse_large_integers(one)
    elif isinstance(plain, list):
        for one in plain:
            _refuse_large_integers(one)
