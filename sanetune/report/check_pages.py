"""The pages of checks: for the terminal, as a list, and as Markdown for ``docs/checks``.

A page is the docstring of the check plus two sections made from its metadata: *Fix safety* (``FIX``) and *Options*
(``LIMITS`` and ``DEPENDS_ON``), placed before *References* as on the pages of ruff's rules.
"""

from __future__ import annotations

import re
import sys
import textwrap
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.evidence.registry import EVERYTHING, GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sanetune.checks.base import Check

WIDTH = 80
"""Columns of a page on the terminal."""

FIX_SAFETY = {
    "always": "`sanetune check --fix` always has a value for this: it writes it into your YAML and checks again.",
    "sometimes": "`sanetune check --fix` writes a value into your YAML where one follows from the measurement, and"
    " checks again.",
    "none": "There is no automatic fix.",
}
"""What ``--fix`` does about a finding, by the check's ``FIX``."""

KEPT = "Comments and order of the file stay, and a copy of the old one is kept beside it."


def text(check: Check) -> str:
    """Return one check's page for a terminal of 80 columns."""
    parts = [check.name, _wrapped(check.page.fault)]
    for title, body in _sections(check):
        parts.append(f"{title}\n{_plain(body)}")
    if check.limits:
        parts.append("\n".join(["Options", *_limit_lines(check)]))
    return "\n\n".join(parts)


def listing(checks: Sequence[Check]) -> str:
    """Return all checks by family, one line each where it fits."""
    lines: list[str] = []
    wide = max((len(check.name) for check in checks), default=0)
    for family, some in groupby(checks, key=lambda check: check.family):
        lines += ["", family] if lines else [family]
        for check in some:
            lines += textwrap.wrap(
                check.page.fault,
                WIDTH,
                initial_indent=f"  {check.name:<{wide}}  ",
                subsequent_indent=" " * (wide + 4),
            )
    return "\n".join(lines)


def markdown(check: Check) -> str:
    """Return one check's page for ``docs/checks/NAME.md``."""
    parts = [f"# {check.name}", check.page.fault, f"Level: `{check.level}`. Family: `{check.family}`."]
    sections = dict(_sections(check))
    references = sections.pop("References", "")
    for title, body in sections.items():
        parts += [f"## {title}", body]
    if options := _options(check):
        parts += ["## Options", options]
    if references:
        parts += ["## References", references]
    return "\n\n".join(parts) + "\n"


def index(checks: Sequence[Check]) -> str:
    """Return ``docs/checks/README.md``: every check with its fault, by family."""
    parts = ["# The checks", f"{len(checks)} checks, by family, in the order in which data flows."]
    for family, some in groupby(checks, key=lambda check: check.family):
        rows = [f"| [{check.name}]({check.name}.md) | {check.level} | {check.page.fault} |" for check in some]
        parts += [f"## {family}", "\n".join(["| check | level | what is wrong |", "|---|---|---|", *rows])]
    return "\n\n".join(parts) + "\n"


def write(folder: Path) -> list[Path]:
    """Write one page per check and an index into ``folder``; pages of checks that are gone are deleted."""
    from sanetune.gate.catalogue import catalogue

    checks = list(catalogue().values())
    pages = {f"{check.name}.md": markdown(check) for check in checks} | {"README.md": index(checks)}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, page in pages.items():
        (folder / name).write_text(page, encoding="utf-8")
    return sorted(folder / name for name in pages)


def _sections(check: Check) -> Iterator[tuple[str, str]]:
    """The docstring's sections, with *Fix safety* before *References*."""
    written = dict(check.page.sections)
    references = written.pop("References", "")
    yield from written.items()
    kept = "" if check.fix == "none" else f" {KEPT}"
    yield "Fix safety", FIX_SAFETY[check.fix] + kept + _after_other_fixes(check)
    if references:
        yield "References", references


def _options(check: Check) -> str:
    """Limits as a table; empty where there are none."""
    parts = []
    if check.limits:
        rows = [f"| `{name}` | {_number(limit.value)} | {limit.source} |" for name, limit in check.limits.items()]
        parts.append("\n".join(["| limit | default | source |", "|---|---|---|", *rows]))
        first, limit = next(iter(check.limits.items()))
        example = f"check:\n  limits:\n    {check.name}: {{{first}: {_number(limit.value)}}}"
        parts.append(f"To change a limit, write it into the YAML:\n\n```yaml\n{example}\n```")
    return "\n\n".join(parts)


def _limit_lines(check: Check) -> Iterator[str]:
    for name, limit in check.limits.items():
        yield _wrapped(f"{name} = {_number(limit.value)}: {limit.source}", "  ", "    ")
    first, limit = next(iter(check.limits.items()))
    yield _wrapped(
        f"In the YAML: check: {{limits: {{{check.name}: {{{first}: {_number(limit.value)}}}}}}}", "  ", "    "
    )


def _after_other_fixes(check: Check) -> str:
    """The changes that make a pass of the check void; "" where every change does."""
    if check.depends_on == EVERYTHING:
        return ""
    changed = "; ".join(GROUPS.get(one, f"`{one}`") for one in check.depends_on)
    return f" After other fixes the check runs again only if they change {changed}."


def _number(value: object) -> str:
    """A limit with four significant digits: 3.333, not 3.3333333333333335."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(body: str) -> str:
    """Markdown as plain text: paragraphs and lists wrapped, code blocks indented, links with their address."""
    body = re.sub(r"\[([^\]]*)\]\((https?[^)]*)\)", r"\1 (\2)", body)
    blocks = []
    for part in re.split(r"^(```.*?^```)$", body, flags=re.MULTILINE | re.DOTALL):
        if part.startswith("```"):
            blocks.append(textwrap.indent("\n".join(part.splitlines()[1:-1]), "      "))
        else:
            blocks += [_paragraph(one) for one in re.split(r"\n\s*\n", part) if one.strip()]
    return "\n\n".join(blocks)


def _paragraph(lines: str) -> str:
    """A wrapped paragraph, or a list with each item wrapped."""
    items = re.split(r"\n(?=[*-] )", lines.strip())
    return "\n".join(
        _wrapped(" ".join(item.split()), "  ", "    " if item[:2] in ("* ", "- ") else "  ") for item in items
    )


def _wrapped(words: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        words, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
