"""What a check is.

A check is a module called after its fault in the folder of its family (``labels/on_prompt.py`` is
``labels-on-prompt``), or one that an entry point in the group ``sanetune.checks`` names. It holds

- its page, the docstring: one sentence that states the fault, then the Markdown sections of :data:`SECTIONS`
  (``docs/contributing.md`` has a template);
- ``LIMITS``: the numbers that judge, each with its source;
- ``FIX``: whether a finding carries a fix: ``always``, ``sometimes`` or ``none``;
- ``FIX_PRIORITY``: of two fixes of the same key the one with the higher number is made. 0: from what is published, or
  a rule of thumb; 10: measured on the model; 20: compared on validation rows;
- ``DEPENDS_ON``: the groups of keys (:data:`sanetune.evidence.registry.GROUPS`), or single keys, whose change makes a
  passed finding void;
- ``BY_ROW``: whether its witnesses are the faulty rows themselves, all of them where all are asked for
  (:func:`sanetune.finding.all_witnesses`), so that a baseline can tell new ones from known ones;
- ``LIVE``: for a check of the curve, whether what it finds on a growing curve is a finding then (:data:`Live`). Left
  out: it is about a run's end, or a healthy run looks like that for a while;
- ``at(measurement)``: for a check of the curve, the step whose rows show the fault, where it is about single steps;
- ``basis(measurement, limits)``: for one about a rise that may come back: the evaluation it rests on (:class:`Basis`);
- ``VERSION``: raised when the check finds what it did not find before: a clearance of an older version is void;
- ``measure(evidence, ...)``: numbers and witnesses. Its parameters name the evidence that it needs, as in pytest;
  ``limits``, where it is among them, are the limits: for those that say what is counted, as how alike copies are;
- ``judge(measurement, limits)``: the verdict with its words and, where one is known, the fix.

Constants may be left out: no limits, fixes of priority 0 sometimes, void after any change, version 1.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType, ModuleType
from typing import ClassVar, Literal, get_args

from sanetune.evidence.catalogue import level_of
from sanetune.evidence.registry import EVERYTHING, GROUPS, Level
from sanetune.finding import Judgement, Measurement

SECTIONS = ("What it does", "Why is this bad?", "Example", "Use instead", "Known problems", "References")
"""The sections that a check's docstring may have, in this order. Options and fix safety are added from the metadata."""

REQUIRED = SECTIONS[:4]

FixAvailability = Literal["always", "sometimes", "none"]

Live = Literal["", "recent", "whole", "exact"]
"""On what of a growing curve a check judges while a run goes on: on the last steps and on the whole curve, on the whole
curve alone, or (empty) not at all. ``exact``: on the whole curve too, and what it finds is no estimate, so that the
watch needs no second look."""

PACKAGE = "sanetune.checks"

Limits = Mapping[str, float]
"""Limit -> the number that counts: the user's, or the check's own."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A number that a verdict depends on, and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class Basis:
    """The evaluation that a finding of a growing curve rests on.

    Attributes:
        step: Its step.
        loss: Its loss, in nats per token in the loss.
        lasting: Whether the training loss, or its size, tells the rise from one that comes back.
        beyond: Whether the rise is larger than any that comes back.
    """

    step: int
    loss: float
    lasting: bool = True
    beyond: bool = False


LOG_TOO_SHORT = "log_too_short"
"""Evidence of a skipped check: it had too few records to judge."""


class NotApplicableError(Exception):
    """The fault cannot occur here (no packing, no tools, ...): the check is skipped with this reason."""

    numbers: ClassVar[Mapping[str, bool]] = MappingProxyType({})
    """What is known all the same; it goes into the finding."""


class LogTooShortError(NotApplicableError):
    """The log has something that the check reads, and too little of it: a longer one could be judged."""

    numbers = MappingProxyType({LOG_TOO_SHORT: True})


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a check: its fault in one sentence, and its sections as Markdown, by title.

    >>> page = Page.of("rows-x", '''Rows are empty.
    ...
    ... ## What it does
    ... Counts them.
    ...
    ... ## Why is this bad?
    ... `0` tokens are learned from them.
    ...
    ... This second paragraph is on the page alone.
    ...
    ... ## Example
    ... A file with blank lines.
    ...
    ... ## Use instead
    ... Remove the rows.
    ... ''')
    >>> page.rationale, page.remedy
    ('0 tokens are learned from them.', 'Remove the rows.')
    """

    fault: str
    sections: Mapping[str, str]

    @classmethod
    def of(cls, name: str, text: str) -> Page:
        """Read the page of the check ``name`` from its docstring ``text``.

        Raises:
            ValueError: A required section is missing or empty, or a section is unknown, repeated or out of order.
        """
        fault, *pieces = re.split(r"^## +(.+?) *$", inspect.cleandoc(text), flags=re.MULTILINE)
        titles, texts = pieces[0::2], [part.strip() for part in pieces[1::2]]
        if titles != [title for title in SECTIONS if title in titles]:
            raise ValueError(f"the page of {name} has the sections {titles}; allowed, in this order: {list(SECTIONS)}")
        sections = dict(zip(titles, texts, strict=True))
        if missing := [title for title in REQUIRED if not sections.get(title)]:
            raise ValueError(f"the page of {name} has no section {' and no section '.join(missing)}")
        return cls(" ".join(fault.split()), sections)

    @property
    def rationale(self) -> str:
        """The first sentence of "Why is this bad?" as plain text, for findings."""
        return _first_sentence(self.sections["Why is this bad?"])

    @property
    def remedy(self) -> str:
        """The first sentence of "Use instead" as plain text, for findings without a remedy of their own."""
        return _first_sentence(self.sections["Use instead"])


def _first_sentence(markdown: str) -> str:
    """Of the first paragraph, without the marks of inline code and links."""
    words = " ".join(markdown.partition("\n\n")[0].split())
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words).replace("`", "")
    return re.split(r"(?<=[.!?]) (?=[A-Z])", plain, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Check:
    """One check, taken out of its module."""

    name: str
    page: Page
    needs: tuple[str, ...]
    limits: Mapping[str, Limit]
    measure: Callable[..., Measurement]
    judge: Callable[[Measurement, Limits], Judgement]
    fix: FixAvailability = "sometimes"
    fix_priority: int = 0
    depends_on: tuple[str, ...] = EVERYTHING
    version: int = 1
    live: Live = ""
    at: Callable[[Measurement], int | None] | None = None
    basis: Callable[[Measurement, Limits], Basis | None] | None = None
    by_row: bool = False

    def __post_init__(self) -> None:
        if self.live not in get_args(Live):
            raise ValueError(f"LIVE of {self.name} is {self.live!r}, not one of {get_args(Live)}")
        if self.fix not in get_args(FixAvailability):
            raise ValueError(f"FIX of {self.name} is {self.fix!r}, not one of {get_args(FixAvailability)}")
        if unknown := [one for one in self.depends_on if one not in GROUPS and "." not in one]:
            raise ValueError(f"DEPENDS_ON of {self.name} has {unknown}: neither a key nor one of {list(GROUPS)}")

    @classmethod
    def of(cls, module: ModuleType) -> Check:
        """The check in ``module``; ValueError or AttributeError when it is not one."""
        name = name_of(module.__name__)
        return cls(
            name,
            Page.of(name, module.__doc__ or ""),
            tuple(name for name in inspect.signature(module.measure).parameters if name != "limits"),
            dict(getattr(module, "LIMITS", {})),
            module.measure,
            module.judge,
            getattr(module, "FIX", "sometimes"),
            getattr(module, "FIX_PRIORITY", 0),
            tuple(getattr(module, "DEPENDS_ON", EVERYTHING)),
            getattr(module, "VERSION", 1),
            getattr(module, "LIVE", ""),
            getattr(module, "at", None),
            getattr(module, "basis", None),
            getattr(module, "BY_ROW", False),
        )

    @property
    def defaults(self) -> dict[str, float]:
        """The check's own limits."""
        return {name: limit.value for name, limit in self.limits.items()}

    def measured(self, evidence: Sequence[object], limits: Limits) -> Measurement:
        """Call ``measure`` with ``evidence``, in the order of ``needs``, and with ``limits`` where it asks for them."""
        if _asks_for_limits(self.measure):
            return self.measure(*evidence, limits=limits)
        return self.measure(*evidence)

    @property
    def level(self) -> Level:
        """The first level at which its evidence can be had."""
        return level_of(self.needs)

    @property
    def family(self) -> str:
        """``config``, ``rows``, ``labels``, …: the first word of the name."""
        return self.name.split("-")[0]


@cache
def _asks_for_limits(measure: Callable[..., Measurement]) -> bool:
    """A watch measures thousands of times."""
    return "limits" in inspect.signature(measure).parameters


def name_of(module: str) -> str:
    """The name of the check in a module: ``sanetune.checks.labels.on_prompt`` is ``labels-on-prompt``; of another
    package's module the last part counts."""
    home, _, last = module.rpartition(".")
    family = home.removeprefix(f"{PACKAGE}.") if home.startswith(f"{PACKAGE}.") else ""
    return f"{family} {last}".strip().replace("_", "-").replace(" ", "-")
