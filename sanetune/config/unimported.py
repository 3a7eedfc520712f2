"""What a library's files define, read from their text: importing them takes seconds, reading milliseconds.

Nothing of a file runs. What cannot be told from the text alone is a :class:`LookupError`, and whoever asks imports the
library instead.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Optional, Union

UNREADABLE = object()
"""Stands for a default that only running the file would tell."""

_NAMES: dict[str, object] = {
    **{kind.__name__: kind for kind in (bool, dict, float, int, list, set, str, tuple)},
    "Any": Any, "Literal": Literal, "Optional": Optional, "Union": Union,
}  # fmt: skip
"""Names that an annotation may use beside classes of its own library."""


def file_of(package: str, *parts: str) -> Path:
    """Return a file of an installed package, which is not imported.

    Raises:
        LookupError: There is none.
    """
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (file := Path(folder, *parts)).is_file():
            return file
    raise LookupError(f"{package} has no file {'/'.join(parts)}")


@cache
def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        raise LookupError(f"{file} cannot be read: {error}") from None


def constant(file: Path, name: str) -> object:
    """Return the plain value that ``file`` assigns to ``name``."""
    try:
        value: object = ast.literal_eval(_assigned(file, name))
    except ValueError:
        raise LookupError(f"{name} of {file.name} is no plain value") from None
    return value


@cache
def strings(file: Path, name: str) -> frozenset[str]:
    """Return the texts that the set or list ``name`` of ``file`` is written with; of pairs, the first of each."""
    value = _assigned(file, name)
    elements = value.elts if isinstance(value, ast.Set | ast.List | ast.Tuple) else _pairs(value)
    firsts = (one.elts[0] if isinstance(one, ast.Tuple) else one for one in elements)
    return frozenset(one.value for one in firsts if isinstance(one, ast.Constant) and isinstance(one.value, str))


@cache
def pairs(file: Path, name: str) -> Mapping[str, str]:
    """Return the ordered dictionary ``name`` of ``file``, written as pairs of texts; ``A if condition else B`` is A."""
    found = {}
    for one in _pairs(_assigned(file, name)):
        if isinstance(one, ast.Tuple) and len(one.elts) == 2 and isinstance(one.elts[0], ast.Constant):
            second = one.elts[1].body if isinstance(one.elts[1], ast.IfExp) else one.elts[1]
            found[str(one.elts[0].value)] = str(second.value) if isinstance(second, ast.Constant) else ""
    return found


def _pairs(value: ast.expr) -> list[ast.expr]:
    if isinstance(value, ast.Call) and len(value.args) == 1 and isinstance(value.args[0], ast.List):
        return value.args[0].elts
    raise LookupError("it is not written as a list of pairs")


def _assigned(file: Path, name: str) -> ast.expr:
    for node in _tree(file).body:
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        if any(isinstance(one, ast.Name) and one.id == name for one in targets) and node.value is not None:
            return node.value
    raise LookupError(f"{file.name} assigns no {name}")


@dataclasses.dataclass(frozen=True, slots=True)
class ReadField:
    """A field of a dataclass: the type that it is annotated with, and its default (or :data:`UNREADABLE`)."""

    annotation: object
    default: object


def dataclass_fields(files: Mapping[str, Path], name: str, helpers: Mapping[str, object]) -> dict[str, ReadField]:
    """Return the fields of the dataclass ``name``, those of its bases first, as :func:`dataclasses.fields` does.

    Args:
        files: The class and each of its bases -> the file that defines it.
        name: The class.
        helpers: Classes that annotations use, by name.

    Raises:
        LookupError: The text does not say.
    """
    body = class_of(files[name], name)
    found: dict[str, ReadField] = {}
    for base in body.bases:
        if not isinstance(base, ast.Name) or base.id not in files:
            raise LookupError(f"{name} has a base that is not known")
        found |= dataclass_fields(files, base.id, helpers)
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = ReadField(_type(node.annotation, helpers), _default(node.value))
    return found


def class_of(file: Path, name: str) -> ast.ClassDef:
    """Return the definition of a class of ``file``. :class:`LookupError` where there is none."""
    for node in _tree(file).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    raise LookupError(f"{file.name} defines no class {name}")


def enumeration(file: Path, name: str) -> type[enum.Enum]:
    """Return an enumeration with the members of the one in ``file`` whose values are written out."""
    members = {
        target.id: node.value.value
        for node in class_of(file, name).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if not members:
        raise LookupError(f"{name} has no members")
    made: type[enum.Enum] = enum.Enum(name, members)  # type: ignore[misc, assignment]
    return made


def _type(annotation: ast.expr, helpers: Mapping[str, object]) -> object:
    for node in ast.walk(annotation):
        allowed = (ast.Name, ast.Constant, ast.Subscript, ast.Tuple, ast.List, ast.BinOp, ast.BitOr, ast.expr_context)
        if not isinstance(node, allowed):
            raise LookupError(f"an annotation has a {type(node).__name__}")
    names = _NAMES | dict(helpers)
    try:
        kind: object = eval(compile(ast.Expression(annotation), "annotation", "eval"), {"__builtins__": {}}, names)  # noqa: S307
    except (NameError, TypeError) as error:
        raise LookupError(f"an annotation is not known: {error}") from None
    return type(None) if kind is None else kind


def _default(value: ast.expr | None) -> object:
    """The default of a field, which is written as ``= value`` or ``= field(default=value)``."""
    if isinstance(value, ast.Call):
        given = {one.arg: one.value for one in value.keywords}
        factory = given.get("default_factory")
        if isinstance(factory, ast.Name) and factory.id in ("list", "dict"):
            return [] if factory.id == "list" else {}
        value = given.get("default")
    try:
        return UNREADABLE if value is None else ast.literal_eval(value)
    except ValueError:
        return UNREADABLE
