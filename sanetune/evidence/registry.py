"""Evidence is declared once, where it is built, and built once, when a check first asks for it.

A builder is a method with the decorator :func:`evidence`. Its name is the name of the evidence, its parameters are the
evidence that it is made from, and its return type is the type that checks get. Builders stand cheapest first: their
order is the order in which checks run. :mod:`sanetune.evidence.catalogue` lists every declaration.
"""

from __future__ import annotations

import inspect
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.errors import UserError
from sanetune.events import EvidenceStarted, Publish, silent

Level = Literal["static", "probe", "trial", "served"]

LEVELS: tuple[Level, ...] = ("static", "probe", "trial", "served")
"""How far checks go: they read configuration, rows and batches; they pass a few batches through the real model; they
train it for a while; or they ask a server that runs what was trained, which `sanetune verify` does."""

GROUPS = {
    "rows": "rows, their tokens or labels",
    "batches": "batches, or single passes through the model (as its number format does)",
    "schedule": "the learning rate, the length of the run, evaluations or checkpoint saves",
}
"""What a configuration key can change: the name of a group of keys -> the same in words.
:mod:`sanetune.gate.invalidation` has the keys of each."""

EVERYTHING: tuple[str, ...] = tuple(GROUPS)
"""Depends on every key of the configuration."""

Builder = Callable[..., object]
"""Makes one piece of evidence; its parameters name the pieces that it is made from."""

Method = TypeVar("Method", bound=Builder)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known of a piece of evidence before it is built.

    Attributes:
        name: As checks name it.
        level: The first of :data:`LEVELS` at which it can be had.
        label: What is being done while it is built, for a progress bar; empty where that takes no time.
        depends_on: Groups of :data:`GROUPS`, or single keys (``section.key``), whose change makes it void.
        reused_as: The name under which a later round of ``--fix`` gets it, where that is another one.
    """

    name: str
    level: Level = "static"
    label: str = ""
    depends_on: tuple[str, ...] = EVERYTHING
    reused_as: str = ""


def evidence(
    *,
    level: Level = "static",
    label: str = "",
    depends_on: tuple[str, ...] = EVERYTHING,
    reused_as: str = "",
) -> Callable[[Method], Method]:
    """Declare the decorated method as a builder of evidence; see :class:`Declaration`.

    >>> class Rows:
    ...     @evidence(label="reading rows", depends_on=("rows",))
    ...     def rows(self) -> list[str]:
    ...         return ["a", "b"]
    ...
    ...     @evidence(depends_on=("rows",))
    ...     def count(self, rows: list[str]) -> int:
    ...         return len(rows)
    >>> Evidence(builders_of(Rows()))["count"]
    2
    """

    def declared(builder: Method) -> Method:
        found = Declaration(builder.__name__, level, label, depends_on, reused_as or builder.__name__)
        builder.declaration = found  # type: ignore[attr-defined]
        return builder

    return declared


def declaration_of(builder: Builder) -> Declaration | None:
    """Return what ``builder`` was declared with; None where it was not."""
    return getattr(builder, "declaration", None)


def declarations(source: type) -> Iterator[Declaration]:
    """Yield the declarations of the class ``source`` in their order, those of its bases first."""
    members = {name: member for base in reversed(source.__mro__) for name, member in vars(base).items()}
    for member in members.values():
        if declaration := declaration_of(member):
            yield declaration


def builders_of(source: object, level: str = "trial") -> dict[str, Builder]:
    """Return the builders of ``source`` up to ``level`` by name, cheapest first."""
    return {
        declaration.name: getattr(source, declaration.name)
        for declaration in declarations(type(source))
        if LEVELS.index(declaration.level) <= LEVELS.index(level)
    }


class MissingError(Exception):
    """This evidence cannot be had; checks that need it are skipped with this reason."""


class BrokenError(Exception):
    """This evidence could not be built: a bug of ours, or too little memory; reported once with its traceback."""

    def __init__(self, name: str, trace: str, first: bool, reason: str = "because of a bug") -> None:
        super().__init__(name, trace, first, reason)
        self.name, self.trace, self.first, self.reason = name, trace, first, reason

    def __str__(self) -> str:
        return f"the evidence {self.name!r} could not be built {self.reason}"


NO_MEMORY = "because memory ran out (see machine-memory-short)"


class Evidence:
    """Evidence by name: built when it is first asked for, and remembered also when it could not be built.

    Args:
        builders: By name, cheapest first (see :func:`builders_of`). A parameter with a default is optional: where that
            evidence is missing, the builder gets its default.
        given: Evidence that is there already.
        publish: Gets :class:`sanetune.events.EvidenceStarted` before a piece is built.

    Attributes:
        seconds: How long each piece took to build, without those that it is made from.
        unusable: The first :class:`UserError` that a builder raised.
    """

    def __init__(
        self,
        builders: Mapping[str, Builder],
        given: Mapping[str, object] | None = None,
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
            self._failed[name] = BrokenError(error.name, error.trace, first=False, reason=error.reason)
            raise
        self._ready[name] = value
        return value

    def ready(self, name: str) -> Any:
        """The evidence ``name`` where it is there already, else None: nothing is built."""
        return self._ready.get(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the evidence that is there already."""
        return iter(self._ready)

    def cost(self, needs: tuple[str, ...]) -> int:
        """The place of the most expensive of ``needs`` in the order of building; 0 where nothing has to be built."""
        order = {name: number for number, name in enumerate(self._builders, start=1)}
        return max((order.get(name, 0) for name in needs), default=0)

    def _built(self, name: str) -> Any:
        builder = self._builders.get(name)
        if builder is None:
            raise MissingError(f"there is no {name} here")
        parts = self._parts(builder)
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
            reason = NO_MEMORY if is_out_of_memory(error) else "because of a bug"
            raise BrokenError(name, traceback.format_exc(), first=True, reason=reason) from None
        finally:
            self.seconds[name] = time.perf_counter() - began

    def _parts(self, builder: Builder) -> dict[str, Any]:
        """What ``builder`` is made from, by parameter; an optional part that is missing is left to its default."""
        parts = {}
        for name, parameter in inspect.signature(builder).parameters.items():
            try:
                parts[name] = self[name]
            except MissingError:
                if parameter.default is parameter.empty:
                    raise
        return parts
