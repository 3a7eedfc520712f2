"""What the documentation shows exists: commands with their options, Python names with their arguments, files.

Examples that begin with ``>>>`` are run (see ``conftest.py``); this file reads the others.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
from ruamel.yaml import YAML

import sanetune
from sanetune.cli import COMMANDS
from sanetune.config.load import load

HOME = Path(__file__).resolve().parents[1]
PAGES = [HOME / "README.md", HOME / "bench" / "README.md", *sorted((HOME / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if page.is_file()]

COMING: set[str] = set()
"""What the README names already, and what is still to come."""


def blocks(page: Path, *languages: str) -> Iterator[tuple[int, str]]:
    """(line, text) of the fenced blocks in one of ``languages``; "" is a block without one."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        if found[1] in languages:
            yield text.count("\n", 0, found.start()) + 1, found[2]


def commands(page: Path) -> Iterator[tuple[int, str]]:
    """(line, command) of each command line in a block or in inline code."""
    for line, block in blocks(page, "", "sh", "bash", "console"):
        for number, text in enumerate(block.splitlines(), start=line + 1):
            yield number, re.sub(r"^[$>] | +#.*", "", text.strip())
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"(?<!`)`([^`\n]+)`(?!`)", text):
        yield text.count("\n", 0, found.start()) + 1, found[1]


def named(pages: list[Path]) -> list[str]:
    return [page.relative_to(HOME).as_posix() for page in pages]


def test_the_readme_counts_the_checks_of_each_family_as_they_are() -> None:
    from collections import Counter

    from sanetune.gate.catalogue import catalogue

    table = (HOME / "README.md").read_text(encoding="utf-8").partition("## What it checks")[2].partition("\n## ")[0]
    shown = {}
    for row in re.finditer(r"^\| *([^|]+?) *\| *(\d+) *\|", table, flags=re.MULTILINE):
        shown[tuple(re.sub(r"[\[\]]|\(.*?\)", "", row[1]).split(", "))] = int(row[2])
    there = Counter(check.family for check in catalogue().values())
    assert shown == {families: sum(there[family] for family in families) for families in shown}
    assert {family for families in shown for family in families} == set(there)


@pytest.mark.parametrize("name", named(PAGES))
def test_commands_in_the_documentation_exist(name: str) -> None:
    wrong = [
        f"{name}:{line}: {text}: {fault}"
        for line, text in commands(HOME / name)
        if (fault := _sanetune(text) or _bench(text) or _make(text))
    ]
    assert not wrong, "\n".join(wrong)


def _sanetune(text: str) -> str:
    """What is wrong with a command line of sanetune; "" for others and where nothing is."""
    if not re.match(r"sanetune [a-z]", text):
        return ""
    try:
        _, name, *words = shlex.split(text.replace("…", " "))
    except ValueError:
        return ""
    if name not in COMMANDS:
        return f"there is no command {name}"
    options: dict[str, click.Parameter] = {}
    command = importlib.import_module(f"sanetune.cli.{name}").command
    if isinstance(command, click.Group):
        if not words or words[0] not in command.commands:
            return f"{name} has no command {' '.join(words[:1])}"
        command, words = command.commands[words[0]], words[1:]
    for parameter in command.params:
        options |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), parameter)
    for word, after in pairwise([*words, ""]):
        if word.startswith("-") and word not in ("-", "--help"):
            option, _, value = word.partition("=")
            if option not in options:
                return f"there is no option {option}"
            kind = options[option].type
            value = value or after
            if isinstance(kind, click.Choice) and value.islower() and value not in kind.choices:
                return f"{option} takes one of {kind.choices}"
    return ""


def _bench(text: str) -> str:
    found = re.match(r"python -m (bench|sanetune|tests|tools)((?:\.\w+)*)", text)
    if not found:
        return ""
    path = HOME / found[1] / Path(*found[2].split(".")[1:])
    exists = path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    return "" if exists or found[2].isupper() or "NAME" in found[2] else "there is no such module to run"


def _make(text: str) -> str:
    found = re.match(r"make ([a-z]+)", text)
    targets = re.findall(r"^([a-z]+):", (HOME / "Makefile").read_text(), flags=re.MULTILINE)
    return f"there is no target {found[1]}" if found and found[1] not in targets else ""


@pytest.mark.parametrize("name", named(PAGES))
def test_python_in_the_documentation_names_what_exists(name: str) -> None:
    for line, block in blocks(HOME / name, "python", "py"):
        if ">>>" in block:
            continue
        for call in ast.walk(ast.parse(block)):
            if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "sanetune":
                assert hasattr(sanetune, call.attr) or call.attr in COMING, f"{name}:{line}: sanetune.{call.attr}"
            if isinstance(call, ast.Call) and (function := _of_sanetune(call.func)):
                keywords = {word.arg: None for word in call.keywords if word.arg}
                inspect.signature(function).bind(*([None] * len(call.args)), **keywords)


def _of_sanetune(node: ast.expr) -> object:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sanetune":
        return getattr(sanetune, node.attr, None)
    return None


@pytest.mark.parametrize("name", named(PAGES))
def test_yaml_in_the_documentation_is_a_configuration(name: str) -> None:
    for line, block in blocks(HOME / name, "yaml"):
        given = YAML(typ="safe").load(block)
        for section, values in {"model": {"name": "MODEL"}, "data": {"train": "DATA"}}.items():
            given[section] = values | given.get(section, {})
        try:
            load(given)
        except sanetune.UserError as error:
            pytest.fail(f"{name}:{line}: {error}")


@pytest.mark.parametrize("name", named(PAGES))
def test_files_in_the_documentation_exist(name: str) -> None:
    """Links to files, and paths in inline code (with a word in capitals they are patterns)."""
    text = (HOME / name).read_text(encoding="utf-8")
    links = [one for one in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in one]
    missing = [one for one in links if not ((HOME / name).parent / one).exists()]
    paths = re.findall(r"`((?:sanetune|tests|bench|tools|docs|examples)/[\w./]+)`", text)
    missing += [path for path in paths if not re.search(r"\b[A-Z]+\b", path) and not (HOME / path).exists()]
    assert not set(missing) - COMING


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sanetune check a.yaml --level static", ""),
        ("sanetune check a.yaml --level deep", "--level takes one of"),
        ("sanetune check a.yaml --fast", "no option --fast"),
        ("sanetune lunch a.yaml", "no command lunch"),
        ("python -m bench.nothing", "no such module"),
        ("make coffee", "no target coffee"),
    ],
)
def test_wrong_commands_are_named(text: str, fault: str) -> None:
    found = _sanetune(text) or _bench(text) or _make(text)
    assert (fault in found) if fault else not found
