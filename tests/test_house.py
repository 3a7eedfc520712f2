"""The house stays as it is: sizes, docstrings, imports and types.

What does not keep a rule yet is counted in ``house.counts``; the counts may only shrink (see ``tests/ratchet.py``).
``python -m tests.test_house`` writes smaller ones down.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests import ratchet

HOME = Path(__file__).resolve().parents[1]
WRITTEN = Path(__file__).parent / "house.counts"

FILE_LINES = 350
BODY_LINES = 60
SENTENCE_WORDS = 25
ANY_GOAL = 100
"""Annotations that are ``Any`` in the whole package: where the counts are to end."""

SHAPE = re.compile(r"_(?=[A-Z]*[BTVDNKCHLS])[A-Z]{1,4}$")
"""``labels_BT``: one capital for each dimension, as the shape legend of its file says."""

UNITS = re.compile(
    r"""\b(tokens?|steps?|seconds?|minutes?|hours?|milliseconds?|bytes?|[KMG]i?B|bits?|rows?|examples?|documents?|packs?
    |batch(es)?|devices?|process(es)?|parameters?|weights?|layers?|heads?|epochs?|turns?|messages?|conversations?|lines?
    |columns?|characters?|shares?|fractions?|ratios?|times|percent|nats?|loss(es)?|flops|dollars?|usd|lr|seed|pixels?
    |learning.rates?|probabilit(y|ies)|logits?|ids?|mask(s|ed)?|positions?|offsets?|index(es)?|indices|dtype|shapes?|norms?
    |gradients?|number.of|how.many|counts?|standard.errors?|quantiles?|hash(es)?|signatures?|factor|exponent|levels?)\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Words that say what a number counts or measures. Names are split at underscores before they are searched."""

NUMERIC = frozenset({"int", "float", "Tensor", "ndarray"})


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def name_of(file: Path) -> str:
    return file.relative_to(HOME).as_posix()


def package_files() -> list[Path]:
    return sorted((HOME / "sanetune").rglob("*.py"))


def all_files() -> list[Path]:
    return sorted(file for folder in ("sanetune", "tools", "bench", "tests") for file in (HOME / folder).rglob("*.py"))


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# -- the rules: each gives the places of one file that break it ---------------------------------------------------


def long_file(file: Path) -> Iterator[str]:
    """A file has at most FILE_LINES lines."""
    lines = len(file.read_text(encoding="utf-8").splitlines())
    if lines > FILE_LINES:
        yield f"{lines} lines, at most {FILE_LINES}"


def long_body(file: Path) -> Iterator[str]:
    """A function's body, without its docstring, has at most BODY_LINES lines."""
    for function in functions(file):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > BODY_LINES:
            yield f"line {function.lineno}: {function.name} has {lines} lines, at most {BODY_LINES}"


def unclear_opening(file: Path) -> Iterator[str]:
    """A file of the package begins with a docstring whose first sentence is whole and short."""
    text = ast.get_docstring(tree(file)) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?]) (?=[A-Z`])", paragraph)[0]
    if not text:
        yield "no docstring"
    elif not sentence.endswith((".", "?")) or not re.match(r"[A-Z`\d]", sentence):
        yield f"the docstring begins with no sentence: {sentence[:80]}"
    elif len(sentence.split()) > SENTENCE_WORDS or ";" in sentence:
        yield f"the first sentence has {len(sentence.split())} words or a semicolon; at most {SENTENCE_WORDS} words"


def any_annotation(file: Path) -> Iterator[str]:
    """An annotation that is ``Any`` (``dict[str, Any]`` is not counted: JSON is like that)."""
    for node in ast.walk(tree(file)):
        notes: list[ast.expr | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            notes = [*(one.annotation for one in every if one), node.returns]
        elif isinstance(node, ast.AnnAssign):
            notes = [node.annotation]
        for note in notes:
            options = note
            while isinstance(options, ast.BinOp):
                options = options.left
            if isinstance(options, ast.Name) and options.id == "Any":
                yield f"line {node.lineno}"  # type: ignore[attr-defined]


def number_without_unit(file: Path) -> Iterator[str]:
    """A public function that takes numbers or tensors says in which unit or shape, in its docstring or their names."""
    for function, owner in _public(tree(file)):
        words = ast.get_docstring(function) or ""
        if owner is not None and function.name == "__init__":
            words += ast.get_docstring(owner) or ""
        bare = [
            one.arg
            for one in [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
            if one.annotation is not None and _numeric(one.annotation) and not _says_unit(one.arg)
        ]
        if bare and not UNITS.search(words):
            yield f"line {function.lineno}: {function.name}({', '.join(bare)}): no unit or shape in the docstring"


def _public(module: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, ast.ClassDef | None]]:
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node, None
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for one in node.body:
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and not re.match("_(?!_init__)", one.name):
                    yield one, node


def _numeric(note: ast.expr) -> bool:
    """Whether numbers or tensors are meant: ``int | None``, ``Sequence[float]``, ``torch.Tensor``, but no callable."""
    if isinstance(note, ast.Constant) and isinstance(note.value, str):
        note = ast.parse(note.value, mode="eval").body
    if isinstance(note, ast.Subscript) and "Callable" in ast.dump(note.value):
        return False
    names = {node.id for node in ast.walk(note) if isinstance(node, ast.Name)}
    return bool(NUMERIC & (names | {node.attr for node in ast.walk(note) if isinstance(node, ast.Attribute)}))


def _says_unit(name: str) -> bool:
    return bool(SHAPE.search(name) or UNITS.search(name.replace("_", " ")))


# -- imports ------------------------------------------------------------------------------------------------------


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    return {module_of(file): file for file in package_files()}


def imports(file: Path, types: bool) -> set[str]:
    """The modules of sanetune that a file imports, anywhere in it; ``types``: also those imported for types alone."""
    found = set()
    for node in _nodes(tree(file), types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {one if one in modules() else node.module for one in full}
    return {name for name in found if name in modules()}


def _nodes(node: ast.AST, types: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not types and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _nodes(child, types)


def found_by_rule(name: str) -> bool:
    """Packages, what ``python -m`` or an entry point starts, commands, and checks: imported by name, or by nobody."""
    scripts = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["scripts"].values()
    parts = name.split(".")
    return (
        modules()[name].name in ("__init__.py", "__main__.py")
        or name in {script.partition(":")[0] for script in scripts}
        or name.startswith("sanetune.cli.")
        or (len(parts) == 4 and parts[1] == "checks" and not parts[3].startswith("_"))
    )


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other (strongly connected, by Tarjan's algorithm)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for other in graph[name]:
            if other not in order:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in graph[name]:
                found.append(sorted(group))

    for name in graph:
        if name not in order:
            visit(name)
    return found


def unused() -> dict[str, list[str]]:
    """Modules that no other module imports."""
    used = {name for file in package_files() for name in imports(file, types=True) if modules()[name] != file}
    alone = [name for name in modules() if name not in used and not found_by_rule(name)]
    return {name_of(modules()[name]): ["delete it, or use it"] for name in alone}


def in_cycles() -> dict[str, list[str]]:
    """Modules that import themselves through others; late imports count, those for types alone do not."""
    graph = {name: imports(file, types=False) for name, file in modules().items()}
    return {name_of(modules()[name]): [" <-> ".join(group)] for group in cycles(graph) for name in group}


# -- tests --------------------------------------------------------------------------------------------------------

Places = dict[str, list[str]]
"""File -> the places in it that break a rule; files without any are left out."""


def each(rule: Callable[[Path], Iterator[str]], files: Callable[[], list[Path]]) -> Callable[[], Places]:
    return lambda: {name_of(file): places for file in files() if (places := list(rule(file)))}


RULES: dict[str, Callable[[], Places]] = {
    "a file has at most 350 lines": each(long_file, all_files),
    "a function's body has at most 60 lines": each(long_body, all_files),
    "a file of the package begins with one plain sentence": each(unclear_opening, package_files),
    "a public function names units or shapes of its numbers": each(number_without_unit, package_files),
    f"Any is no type (under {ANY_GOAL} in all)": each(any_annotation, package_files),
    "every module is imported by another": unused,
    "no module imports itself through others": in_cycles,
}


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(rule: str) -> None:
    found = ratchet.difference(rule, RULES[rule](), WRITTEN, "python -m tests.test_house")
    assert not found, found


def test_cycles_are_found() -> None:
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["b", "c"]]


@pytest.mark.parametrize(
    ("signature", "fault"),
    [
        ("def f(steps: int): ...", False),
        ("def f(labels_BT: Tensor): ...", False),
        ("def f(x: int): ...", True),
        ("def f(x: Sequence[float]):\n    'Losses in nats.'", False),
        ("def f(x: float | None):\n    'A thing.'", True),
        ("def f(x: Callable[[int], None]): ...", False),
        ("def _f(x: int): ...", False),
        ("class A:\n    def f(self, x: 'torch.Tensor'): ...", True),
    ],
)
def test_a_number_needs_a_unit(signature: str, fault: bool, tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text(signature)
    assert bool(list(number_without_unit(file))) == fault


if __name__ == "__main__":
    ratchet.write({rule: find() for rule, find in RULES.items()}, WRITTEN)
