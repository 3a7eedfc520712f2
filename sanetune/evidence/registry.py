"""What checks look at: built once, when it is first asked for, and remembered also when it could not be built."""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from sanetune.errors import UserError
from sanetune.events import EvidenceStarted, Publish, silent

Builder = Callable[..., Any]
"""Makes one piece of evidence; its parameters name the pieces that it is made from."""


class MissingError(Exception):
    """This evidence cannot be had; checks that need it are skipped with this reason."""


class BrokenError(Exception):
    """This evidence could not be built: a bug of ours, or too little memory; told once with its traceback."""

    def __init__(self, name: str, trace: str, first: bool, why: str = "because of a bug") -> None:
        super().__init__(name, trace, first, why)
        self.name, self.trace, self.first, self.why = name, trace, first, why

    def __str__(self) -> str:
        return f"the evidence {self.name!r} could not be built {self.why}"


NO_MEMORY = "because memory ran out (see machine-memory-short)"


def out_of_memory(error: Exception) -> bool:
    """Whether ``error`` says that the memory of device or machine did not suffice (torch is not imported for it)."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


class Evidence:
    """Evidence by name.

    ``builders`` come cheapest first: their order is the order in which checks run. ``given`` is there already.
    ``publish`` gets what is being done: the evidence that is built, the check that runs. ``unusable`` keeps the first
    :class:`UserError` that a builder raised.
    """

    def __init__(
        self,
        builders: Mapping[str, Builder],
        given: Mapping[str, Any] | None = None,
        publish: Publish = silent,
    ) -> None:
        self._builders, self.publish = dict(builders), publish
        self._ready: dict[str, Any] = dict(given or {})
        self._failed: dict[str, Exception] = {}
        self.seconds: dict[str, float] = {}
        self.unusable: UserError | None = None

    def __getitem__(self, name: str) -> Any:
        """The evidence ``name``. Raises :class:`MissingError` or :class:`BrokenError`, each time anew."""
        if name in self._ready:
            return self._ready[name]
        if name in self._failed:
            raise self._failed[name].with_traceback(None)
        try:
            value = self._built(name)
        except MissingError as error:
            self._failed[name] = error
            raise
        except BrokenError as error:
            self._failed[name] = BrokenError(error.name, error.trace, first=False, why=error.why)
            raise
        self._ready[name] = value
        return value

    def ready(self, name: str) -> Any:
        """The evidence ``name`` where it is there already, else None: nothing is built."""
        return self._ready.get(name)

    def cost(self, needs: tuple[str, ...]) -> int:
        """The place of the most expensive of ``needs`` in the order of building."""
        order = {name: number for number, name in enumerate(self._builders, start=1)}
        return max((order.get(name, 0) for name in needs), default=0)

    def _built(self, name: str) -> Any:
        builder = self._builders.get(name)
        if builder is None:
            raise MissingError(f"there is no {name} in what is looked at here")
        parts = {part: self[part] for part in inspect.signature(builder).parameters}
        self.publish(EvidenceStarted(name))
        began = time.perf_counter()
        try:
            return builder(**parts)
        except UserError as error:
            self.unusable = self.unusable or error
            raise MissingError(str(error).split("\n")[0]) from None
        except (MissingError, BrokenError, KeyboardInterrupt):
            raise
        except Exception as error:  # noqa: BLE001 -- a bug in one builder must not hide what others find
            why = NO_MEMORY if out_of_memory(error) else "because of a bug"
            raise BrokenError(name, traceback.format_exc(), first=True, why=why) from None
        finally:
            self.seconds[name] = time.perf_counter() - began
