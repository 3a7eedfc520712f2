"""Find every check: the files of :mod:`sanetune.checks`, and those of other packages."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Sequence

from sanetune.checks.base import Check
from sanetune.errors import ConfigError
from sanetune.evidence.registry import LEVELS
from sanetune.text import did_you_mean

GROUP = "sanetune.checks"
"""The entry point group through which another package adds a check: ``name = "package.module"``."""

FAMILIES = (
    "config",
    "rows",
    "template",
    "tokens",
    "labels",
    "packs",
    "batches",
    "model",
    "ranks",
    "machine",
    "samples",
    "curve",
    "serve",
)
"""The order of families in lists: as data flows."""


@functools.cache
def catalogue() -> dict[str, Check]:
    """Return every check by its name, in the order of :data:`FAMILIES`; others last.

    Raises:
        ConfigError: Another package's check cannot be loaded, or has the name of one of ours.
    """
    import sanetune.checks as package

    found = {}
    for family in FAMILIES:
        home = importlib.import_module(f"{package.__name__}.{family}")
        for module in pkgutil.iter_modules(home.__path__):
            if not module.name.startswith("_"):  # helpers are beside the checks that use them
                check = Check.of(importlib.import_module(f"{home.__name__}.{module.name}"))
                found[check.name] = check
    for point in importlib.metadata.entry_points(group=GROUP):
        check = _external(point)
        if check.name in found:
            raise ConfigError(
                f"The package of {point.value} has a check named {check.name}, and there is one already.",
                "Which of the two would run is not defined.",
                "Rename its module, or uninstall that package.",
            )
        found[check.name] = check
    order = {family: number for number, family in enumerate(FAMILIES)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[1].family, len(order)), item[0])))


def _external(point: importlib.metadata.EntryPoint) -> Check:
    try:
        return Check.of(point.load())
    except Exception as error:
        raise ConfigError(
            f"The check {point.name} ({point.value}) of another package cannot be loaded: {error}",
            "Left out in silence, it would seem to have passed.",
            "Fix it (see sanetune.checks.base), or uninstall that package.",
        ) from error


def chosen(names: list[str], ignored: list[str], level: str = "static") -> list[Check]:
    """The checks up to ``level`` that ``select`` and ``ignore`` leave; a family's name stands for all of it (empty:
    every check).

    Raises ConfigError for a name that is neither.
    """
    every = catalogue()
    for name in (*names, *ignored):
        known(name)
    return [
        check
        for check in every.values()
        if LEVELS.index(check.level) <= LEVELS.index(level)
        and (not names or check.name in names or check.family in names)
        and check.name not in ignored
        and check.family not in ignored
    ]


def require_some(checks: list[Check], names: Sequence[str], ignored: Sequence[str], where: str) -> None:
    """Raise ConfigError where nothing is left of a selection; ``where``: what could have been checked, in words."""
    if checks or not (names or ignored):
        return
    selected = f"of {', '.join(names)} " if names else ""
    without = f" without {', '.join(ignored)}" if ignored else ""
    raise ConfigError(
        f"no check {selected}{where} is left{without}",
        "Where nothing is checked, nothing can fail: it would seem to have passed.",
        "Select or ignore others. `sanetune checks` lists them all, with the level of each.",
    )


def known(name: str) -> list[Check]:
    """The check of this name, or all of the family; ConfigError with the nearest name when there is none."""
    every = catalogue()
    found = [check for check in every.values() if name in (check.name, check.family)]
    if not found:
        hint = did_you_mean(name, [*every, *FAMILIES], most=1, cutoff=0.5)
        raise ConfigError(
            f"there is no check {name!r}",
            "A check that does not exist would seem to have passed.",
            f"{hint}`sanetune checks` lists them all.",
        )
    return found
