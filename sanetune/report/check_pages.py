"""The pages of checks: on the terminal, as a list, and as Markdown for ``docs/checks``."""

from __future__ import annotations

import sys
import textwrap
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sanetune.checks.base import Check

WIDTH = 80


def text(check: Check) -> str:
    """One check's page, for a terminal of 80 columns."""
    parts = [check.name, _wrapped(check.page.fault), ""]
    for title in ("measures", "matters", "cause", "fix"):
        parts.append(_wrapped(f"{title.capitalize()}: {getattr(check.page, title)}"))
    for name, limit in check.limits.items():
        parts.append(_wrapped(f"Limit {name} = {limit.value}: {limit.source}"))
    if check.limits:
        parts.append(_wrapped(f"Another limit: check: {{limits: {{{check.name}: {{{next(iter(check.limits))}: …}}}}}}"))
    return "\n".join(parts)


def listing(checks: Sequence[Check]) -> str:
    """All checks by family, one line each where it fits."""
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
    """One check's page for ``docs/checks/NAME.md``."""
    page = check.page
    parts = [f"# {check.name}", page.fault]
    for title in ("measures", "matters", "cause", "fix"):
        parts += [f"## {title.capitalize()}", getattr(page, title)]
    if check.limits:
        rows = [f"| `{name}` | {limit.value} | {limit.source} |" for name, limit in check.limits.items()]
        parts += ["## Limits", "\n".join(["| limit | value | source |", "|---|---|---|", *rows])]
        first = next(iter(check.limits))
        parts.append(f"Set another in the YAML: `check: {{limits: {{{check.name}: {{{first}: …}}}}}}`.")
    return "\n\n".join(parts) + "\n"


def index(checks: Sequence[Check]) -> str:
    """``docs/checks/README.md``: every check with its fault."""
    rows = [f"| [{check.name}]({check.name}.md) | {check.page.fault} |" for check in checks]
    return "\n".join(["# The checks", "", "| check | what is wrong |", "|---|---|", *rows]) + "\n"


def write(folder: Path) -> list[Path]:
    """One page per check and an index into ``folder``; pages of checks that are gone are deleted."""
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


def _wrapped(words: str) -> str:
    return textwrap.fill(words, WIDTH)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
