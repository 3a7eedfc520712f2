"""Limit how long a template may render, and how much it may build.

These are the clock and the scales of the sandbox.
"""

from __future__ import annotations

import time
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

import jinja2.utils

SECONDS = 5.0
"""Longest time for one rendering.

The slowest template that TRL ships takes about 5 ms for 50 messages.
"""

SLOW_TOTAL, SLOW_EACH = 10.0, 0.5
"""Seconds of all renderings from which a template is stopped that takes so many seconds for each."""

CHARACTERS = 16_000_000
"""Largest output, and largest string on the way, also of all strings in a list together: some four times the text that
fits a million-token context."""

PARTS = 250_000
"""Most values in a list or an object; those of its parts count as often as it contains them."""

BUILT = 32_000_000
"""Characters or values that are built between two readings of the process's memory."""

MEMORY = 512 * 2**20
"""Bytes by which the process may grow during one rendering."""

_VIEWS = (KeysView, ValuesView)


class LimitError(Exception):
    """The template went over a limit of time or size."""


class Meter:
    """Measures the renderings of one template; raises :class:`LimitError` if one goes too far.

    Attributes:
        deadline: When the rendering under way has to end, in seconds of ``time.monotonic``.
    """

    def __init__(self) -> None:
        self.deadline = float("inf")
        self._began = self._spent = 0.0
        self._count = self._built = 0
        self._resident: int | None = None

    def start(self) -> None:
        """Begin a rendering."""
        if self._spent > SLOW_TOTAL and self._spent > SLOW_EACH * self._count:
            raise LimitError(f"it takes {self._spent / self._count:.1f} s for one conversation")
        self._began = time.monotonic()
        self.deadline = self._began + SECONDS
        self._built, self._resident = 0, None

    def stop(self) -> None:
        """End a rendering."""
        self._count += 1
        self._spent += time.monotonic() - self._began

    def tick(self) -> None:
        """Check the time."""
        if time.monotonic() > self.deadline:
            raise LimitError(f"it ran for more than {SECONDS:g} s")

    def add(self, size: int) -> None:
        """Account for ``size`` characters or values that were built."""
        self._built += size
        if self._built > BUILT:
            self._built = 0
            self.tick()
            self._check_memory()

    def _check_memory(self) -> None:
        import psutil

        resident = psutil.Process().memory_info().rss
        if self._resident is None:
            self._resident = resident
        elif resident - self._resident > MEMORY:
            raise LimitError(f"it takes more than {MEMORY // 2**20} MB of memory")

    def weighed(self, value: object) -> object:
        """Return ``value``, accounted for; an iterator is accounted for as it is used."""
        if type(value) is str:
            if len(value) > CHARACTERS:
                check_size(len(value))
            self.add(len(value))
        elif isinstance(value, (list, tuple, dict, set, frozenset)):
            self.add(weight(value))
        elif isinstance(value, Iterator):
            return self._watched(value)
        elif isinstance(value, (str, bytes)):
            check_size(len(value))
            self.add(len(value))
        return value

    def _watched(self, values: Iterator[object]) -> Iterator[object]:
        parts = 0
        for value in values:
            parts += weight(value)
            if parts > CHARACTERS:
                raise LimitError(f"it goes through more than {CHARACTERS:,} characters or values at once")
            self.add(8)
            self.tick()
            yield value


def weight(value: object) -> int:
    """Return the number of values and characters in ``value``, as often as they would be printed.

    ``[x, x]`` forty times over is small in memory, and large when it is written out.

    >>> weight(["ab", {"k": 1}])  # five values, three characters
    8

    Raises:
        LimitError: There are too many.
    """
    stack: list[Any] = [value]
    parts = characters = 0
    while stack:
        item = stack.pop()
        parts += 1
        kind = type(item)
        if kind is str:
            characters += len(item)
        elif kind is dict:
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset, *_VIEWS)):
            stack.extend(item)
        elif isinstance(item, (dict, ItemsView)):
            stack.extend(part for pair in (item.items() if isinstance(item, dict) else item) for part in pair)
        elif isinstance(item, jinja2.utils.Namespace):
            stack.append(item._Namespace__attrs)
        elif isinstance(item, (str, bytes)):
            characters += len(item)
        if parts > PARTS or len(stack) > CHARACTERS:
            raise LimitError(f"it builds a nested value of more than {PARTS:,} parts")
        if characters > CHARACTERS:
            raise LimitError(f"it builds a value of more than {CHARACTERS:,} characters")
    return parts + characters


def check_size(size: int) -> None:
    """Raise :class:`LimitError` for more than :data:`CHARACTERS` characters or items."""
    if size > CHARACTERS:
        raise LimitError(f"it builds a value of {size:,} characters or items")
