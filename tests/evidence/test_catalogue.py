"""Each piece of evidence is declared once: its builders agree, and checks ask for it by the type that it has."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sanetune.checks.base import Check
from sanetune.config.schema import Config
from sanetune.evidence.catalogue import SOURCES, catalogue, level_of
from sanetune.evidence.registry import GROUPS, LEVELS, declarations
from sanetune.gate.catalogue import catalogue as checks


def imported(module: str) -> dict[str, Any]:
    """What ``module`` imports at its top, for types alone too."""
    source = Path(inspect.getsourcefile(importlib.import_module(module)) or "").read_text(encoding="utf-8")
    lines = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom | ast.If)]
    for node in lines:
        if isinstance(node, ast.If):
            assert "TYPE_CHECKING" in ast.dump(node.test), f"{module} decides something when it is imported"
            node.test = ast.copy_location(ast.Constant(True), node.test)
    found: dict[str, Any] = {}
    exec(compile(ast.Module(lines, []), module, "exec"), found)  # noqa: S102 -- our own imports
    return found


def types(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of parameters and of what is returned (``return``)."""
    return typing.get_type_hints(function, localns=imported(function.__module__))


def built() -> dict[str, dict[str, Any]]:
    """Source -> evidence -> its type."""
    return {
        source.__name__: {one.name: types(getattr(source, one.name))["return"] for one in declarations(source)}
        for source in SOURCES
    }


BUILT = built()
TYPES = {"config": Config} | {name: kind for source in reversed(list(BUILT.values())) for name, kind in source.items()}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_builders_ask_for_evidence_by_its_type(source: type) -> None:
    for declaration in declarations(source):
        hints = types(getattr(source, declaration.name))
        for name, kind in hints.items():
            if name == "return":
                assert kind == TYPES[declaration.name], f"{declaration.name} has another type in another source"
                continue
            optional = inspect.signature(getattr(source, declaration.name)).parameters[name].default is None
            if name in TYPES:
                assert kind == (TYPES[name] | None if optional else TYPES[name]), f"{declaration.name}({name})"
            else:
                assert optional, f"{declaration.name} needs {name}, which nobody builds"


@pytest.mark.parametrize("check", checks().values(), ids=lambda check: check.name)
def test_a_check_asks_for_evidence_by_its_type(check: Check) -> None:
    hints = types(check.measure)
    for name in check.needs:
        assert name in TYPES, f"there is no evidence {name}"
        assert hints[name] == TYPES[name]


def test_what_is_declared_twice_is_declared_alike() -> None:
    for source in SOURCES:
        for declaration in declarations(source):
            assert declaration.level == catalogue()[declaration.name].level


def test_evidence_depends_on_groups_or_on_keys() -> None:
    for declaration in catalogue().values():
        assert all(one in GROUPS or "." in one for one in declaration.depends_on), declaration.name


def test_levels_follow_from_the_evidence() -> None:
    assert [
        level_of(needs) for needs in ((), ("rows",), ("rows", "harness"), ("harness", "curve"), ("served_ends",))
    ] == [
        "static",
        "static",
        "probe",
        "trial",
        "served",
    ]
    assert [len({level_of((name,)) for name in TYPES}), len(LEVELS)] == [4, 4]


def test_builders_come_cheapest_first() -> None:
    names = [declaration.name for source in (SOURCES[0], SOURCES[2]) for declaration in declarations(source)]
    assert names.index("tokenizer") < names.index("preparation") < names.index("batch_stats") < names.index("harness")
    # Where a batch does not fit, that is to be said before anything else needs the model.
    assert names.index("peak_memory") < names.index("harness") < names.index("overfit") < names.index("trial_outcome")
