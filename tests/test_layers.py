"""Imports point down: no file needs what is above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sanetune

HOME = Path(sanetune.__file__).parent

LAYERS = (
    (
        "bytecode",
        "collector",
        "pipes",
        "errors",
        "units",
        "finding",
        "events",
        "atomic",
        "links",
        "rng",
        "text",
        "typed_json",
        "commands",
    ),
    ("config",),
    ("data",),
    ("runs", "run_lock", "run_missing", "curves"),
    ("engine",),
    ("serving",),
    ("planning", "importers"),
    ("probes",),
    ("forecast",),
    ("evidence",),
    ("checks",),
    ("gate",),
    ("workflows",),
    ("report",),
    ("api", "api_auto", "callback", "callback_watch"),
    ("mcp",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
"""Lowest first."""
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imported(file: Path) -> Iterator[str]:
    """The parts of sanetune that a file imports when it runs, anywhere in it; for types alone does not count."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.module == "sanetune":
            names = [f"sanetune.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("sanetune."):
                yield name.split(".")[1]


@pytest.mark.parametrize("file", sorted(HOME.rglob("*.py")), ids=lambda file: str(file.relative_to(HOME)))
def test_a_file_imports_nothing_from_above(file: Path) -> None:
    part = file.relative_to(HOME).parts[0].removesuffix(".py")
    if part == "__init__":
        return
    above = {name for name in imported(file) if name in RANK and RANK[name] > RANK[part]}
    assert not above, f"{part} imports {', '.join(sorted(above))}"


def test_every_part_has_its_layer() -> None:
    parts = {
        path.name.removesuffix(".py")
        for path in HOME.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert parts - {"__init__"} == set(RANK)


def test_only_views_draw() -> None:
    """Below ``report`` everything returns results and publishes events (``sanetune/events.py``)."""
    drawing = {
        str(file.relative_to(HOME))
        for file in HOME.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
        if name.split(".")[0] == "rich" and RANK[file.relative_to(HOME).parts[0].removesuffix(".py")] < RANK["report"]
    }
    assert not drawing


@pytest.mark.parametrize("engine", ["trl", "accelerate"])
def test_only_the_registry_of_engines_knows_which_there_are(engine: str) -> None:
    """Everything else works with ``Engine`` and its sessions, so that another engine needs no other change."""
    package, name_of = HOME / "engine" / engine, f"sanetune.engine.{engine}"
    outside = [file for file in HOME.rglob("*.py") if package not in file.parents]
    found = {
        str(file.relative_to(HOME))
        for file in outside
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in (node.module or "" if isinstance(node, ast.ImportFrom) else "", *(one.name for one in node.names))
        if f"{name}.".startswith(f"{name_of}.")
        or (isinstance(node, ast.ImportFrom) and f"{node.module}.{name}" == name_of)
    }
    assert found == {"engine/registry.py"}
