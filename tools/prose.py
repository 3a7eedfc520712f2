"""Finds the prose of this repository: what a person reads in Markdown, docstrings, comments and messages.

Code is left out: fenced blocks, inline code, addresses, and strings without a space. Tests of vocabulary and the
spelling and grammar check read prose through this module, so that all agree on what prose is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

HOME = Path(__file__).resolve().parents[1]

MESSAGES = ("sanetune", "bench")
"""Folders whose string literals are read by people; strings of tests and of the demo model's corpus are data."""

_MARKUP = (
    re.compile(r"^(```|~~~).*?^\1 *$", re.MULTILINE | re.DOTALL),
    re.compile(r"^ *>>> .*?(?:\n\s*\n|\Z)", re.MULTILINE | re.DOTALL),  # doctests, up to the next empty line
    re.compile(r"``.+?``|`[^`\n]+`", re.DOTALL),
    re.compile(r"(?<=\])\([^)\s]*\)|https?://\S+|<[^>\n]+>"),
)

_STRING_OR_COMMENT = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r"|(?P<comment>#[^\n]*)",
    re.DOTALL,
)
"""Strings are matched so that a ``#`` in one is no comment; the module ``tokenize`` takes ten times as long."""


class Passage(NamedTuple):
    """One docstring, comment, message or paragraph: ``line`` counts from 1, ``kind`` says which of these it is."""

    line: int
    kind: str
    text: str


def files() -> list[Path]:
    """Return the files with prose, sorted; the pages of checks are left out, as they are made from docstrings."""
    found = [HOME / "README.md", HOME / "Makefile", HOME / ".ci" / "run", *(HOME / "docs").glob("*.md")]
    for folder in ("sanetune", "tests", "bench", "tools"):
        found += [*(HOME / folder).rglob("*.py"), *(HOME / folder).rglob("*.md")]
    found += [*(HOME / "examples").glob("*.py"), *(HOME / "examples").glob("*.yaml")]
    return sorted(file for file in found if file.is_file())


def passages(file: Path) -> Iterator[Passage]:
    """Yield the prose of ``file``, in no particular order and without code."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        found: Iterator[Passage] = _paragraphs(text)
    elif file.suffix == ".py":
        found = _python(text, messages=file.relative_to(HOME).parts[0] in MESSAGES)
    else:
        lines = enumerate(text.splitlines(), start=1)
        found = (Passage(n, "comment", m[1]) for n, line in lines if (m := re.search(r"(?:^|\s)#(?!!)\s?(.*)", line)))
    for passage in found:
        yield passage._replace(text=plain(passage.text))


def plain(text: str) -> str:
    """Return ``text`` without code and addresses; the number of lines stays.

    >>> plain("Set `data.loss_on`, see [TRL](https://example.org).")
    'Set ·, see [TRL]·.'
    """
    for pattern in _MARKUP:
        text = pattern.sub(lambda match: "·" + "\n" * match[0].count("\n"), text)
    return text


def _paragraphs(text: str) -> Iterator[Passage]:
    """Code is taken out first: a blank line in a block does not end it."""
    line = 1
    for part in re.split(r"(\n\s*\n)", plain(text)):
        if part.strip():
            yield Passage(line, "markdown", part)
        line += part.count("\n")


def _python(text: str, messages: bool) -> Iterator[Passage]:
    line, at = 1, 0
    for match in _STRING_OR_COMMENT.finditer(text) if "#" in text else ():
        line, at = line + text.count("\n", at, match.start()), match.start()
        comment = match["comment"]
        if comment and not re.match(r"#\s*(noqa|type:|fmt:|pragma|ruff:|mypy:|!)", comment):
            yield Passage(line, "comment", comment.lstrip("# "))
    docs = {id(node.value) for node in nodes(text) if isinstance(node, ast.Expr)}
    for node in nodes(text):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in docs:
                yield Passage(node.lineno, "docstring", node.value)
            elif messages and re.search(r"[a-z]{2,} [a-z]{2,}", node.value):
                yield Passage(node.lineno, "message", node.value)


@lru_cache(maxsize=1)  # those who read a file ask one after the other
def nodes(text: str) -> list[ast.AST]:
    """Return all nodes of a module, as ``ast.walk`` gives them."""
    return list(ast.walk(ast.parse(text)))
