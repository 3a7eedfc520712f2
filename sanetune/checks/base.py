"""What a check is.

A check is a module called after its fault in the folder of its family (``labels/on_prompt.py`` is
``labels-on-prompt``), or one that an entry point in the group ``sanetune.checks`` names. It holds

- its page, the docstring: one sentence that states the fault, then paragraphs that begin with ``Measures:``,
  ``Matters:``, ``Cause:`` and ``Fix:``;
- ``LIMITS``: the numbers that judge, each with its source (may be absent);
- ``measure(evidence, ...)``: numbers and witnesses. Its parameters name the evidence that it needs, as in pytest;
- ``judge(measurement, limits)``: the verdict with its words and, where one is known, the fix.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from sanetune.finding import Judgement, Measurement

SECTIONS = ("Measures", "Matters", "Cause", "Fix")
"""The parts of a page, in this order."""

LEVELS = ("static", "probe", "trial")
"""How far checks go: they only look; they pass a few batches through the real model; or they train it for a while."""

DEEP = {
    "largest": "probe",
    "harness": "probe",
    "first_step": "probe",
    "critical": "probe",
    "pairing": "probe",
    "overfit": "trial",
    "trial": "trial",
    "curve": "trial",
    "branches": "trial",
    "samples": "trial",
    "forecast": "trial",
}
"""The level at which evidence is there that is not there at the first."""

PACKAGE = "sanetune.checks"

Limits = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """A number that a verdict depends on, and where it comes from."""

    value: Any
    source: str


class NotApplicableError(Exception):
    """The fault cannot exist in what is looked at (no packing, no tools, ...): the check is skipped with this
    reason."""


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a check: the fault in one sentence, and its parts."""

    fault: str
    measures: str
    matters: str
    cause: str
    fix: str

    @classmethod
    def of(cls, name: str, text: str) -> Page:
        """The page out of a docstring; ValueError when a part is missing."""
        pieces = re.split(rf"^({'|'.join(SECTIONS)}): ", inspect.cleandoc(text), flags=re.MULTILINE)
        texts = [" ".join(text.split()) for text in pieces[2::2]]
        parts = dict(zip(pieces[1::2], (text[:1].upper() + text[1:] for text in texts), strict=True))
        if missing := [section for section in SECTIONS if not parts.get(section)]:
            raise ValueError(f"the page of {name} has no {' and no '.join(missing)}")
        return cls(" ".join(pieces[0].split()), *(parts[section] for section in SECTIONS))


@dataclass(frozen=True, slots=True)
class Check:
    """One check, taken out of its module."""

    name: str
    page: Page
    needs: tuple[str, ...]
    limits: Mapping[str, Limit]
    measure: Callable[..., Measurement]
    judge: Callable[[Measurement, Limits], Judgement]

    @classmethod
    def of(cls, module: ModuleType) -> Check:
        """The check in ``module``; ValueError or AttributeError when it is not one."""
        name = name_of(module.__name__)
        return cls(
            name,
            Page.of(name, module.__doc__ or ""),
            tuple(inspect.signature(module.measure).parameters),
            dict(getattr(module, "LIMITS", {})),
            module.measure,
            module.judge,
        )

    @property
    def level(self) -> str:
        """The first of :data:`LEVELS` at which its evidence is there."""
        return max((DEEP.get(need, LEVELS[0]) for need in self.needs), key=LEVELS.index, default=LEVELS[0])

    @property
    def family(self) -> str:
        """``config``, ``rows``, ``labels``, …: the first word of the name."""
        return self.name.split("-")[0]


def name_of(module: str) -> str:
    """The name of the check in a module: ``sanetune.checks.labels.on_prompt`` is ``labels-on-prompt``; of another
    package's module the last part counts."""
    home, _, last = module.rpartition(".")
    family = home.removeprefix(f"{PACKAGE}.") if home.startswith(f"{PACKAGE}.") else ""
    return f"{family} {last}".strip().replace("_", "-").replace(" ", "-")
