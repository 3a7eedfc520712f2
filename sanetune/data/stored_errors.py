"""Keep errors with their places beside prepared data, as JSON."""

from __future__ import annotations

from typing import Any, TypeVar

from sanetune.errors import Place, UserError

E = TypeVar("E", bound=UserError)


def to_json(error: UserError) -> dict[str, Any]:
    """Return an error as JSON can hold it."""
    place = error.place or Place()
    where = {
        "file": None if place.file is None else str(place.file),
        "line": place.line,
        "row": place.row,
        "message": place.message,
    }
    return {"message": error.message, "rationale": error.rationale, "remedy": error.remedy, "place": where}


def from_json(kind: type[E], values: dict[str, Any]) -> E:
    """Return the error of class ``kind`` that :func:`to_json` has written.

    Example:
        >>> from sanetune.errors import DataError
        >>> str(from_json(DataError, to_json(DataError("the row is a number", place=Place("rows.jsonl", 3, 2)))))
        'rows.jsonl:3, row 2: the row is a number'
    """
    return kind(values["message"], values["rationale"], values["remedy"], Place(**values["place"]))
