"""Every check is whole: page, evidence that exists, limits with sources; others may bring theirs."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest

from sanetune.checks.base import Check, Page
from sanetune.errors import ConfigError
from sanetune.evidence.registry import EVERYTHING
from sanetune.gate import catalogue as module
from sanetune.gate.catalogue import FAMILIES, catalogue, chosen, known, require_some

FOREIGN = '''"""A fault of our own.

## What it does
Measures a number.

## Why is this bad?
It costs `2` steps.

Only the page says this.

## Example
Ours.

## Use instead
Undo it.
"""
from sanetune.finding import Measurement, passed
def measure(run_settings): return Measurement()
def judge(measured, limits): return passed("fine")
'''


@pytest.mark.parametrize("check", catalogue().values(), ids=lambda check: check.name)
def test_every_check_has_a_page_and_limits_with_sources(check: Check) -> None:
    assert check.needs
    assert check.family in FAMILIES
    assert check.page.fault.endswith(".")
    for name, limit in check.limits.items():
        assert len(limit.source) > 10, f"{name} has no source"


@pytest.mark.parametrize("check", catalogue().values(), ids=lambda check: check.name)
def test_a_check_says_whether_its_findings_have_a_fix(check: Check) -> None:
    """``FIX`` against what its judge can return: the third argument of ``warned`` and ``failed``."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(check.judge)))
    assert any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FIX" for node in tree.body)
    given = [
        [*call.args[2:3], *(keyword.value for keyword in call.keywords if keyword.arg == "fix")]
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and re.search(r"\b(warned|failed)\b", ast.unparse(call.func))
    ]
    assert given, "it never warns and never fails"
    assert (check.fix == "none") == (not any(given)), "a fix of a check with FIX none, or none of one that promises it"
    if check.fix == "always":
        assert all(given) and not any(isinstance(fix, ast.IfExp) for (fix,) in given)


def test_metadata_may_be_left_out_and_is_checked() -> None:
    check = catalogue()["labels-none"]
    plain = Check(check.name, check.page, check.needs, {}, check.measure, check.judge)
    assert (plain.fix, plain.fix_priority, plain.depends_on, plain.version) == ("sometimes", 0, EVERYTHING, 1)
    with pytest.raises(ValueError, match="FIX of labels-none"):
        replace(plain, fix="often")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="neither a key nor one of"):
        replace(plain, depends_on=("row",))


def test_a_page_without_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match="no section Use instead"):
        Page.of("x", "Fault.\n\n## What it does\na\n## Why is this bad?\nb\n## Example\nc\n")


def test_sections_of_a_page_are_known_and_in_order() -> None:
    with pytest.raises(ValueError, match="allowed, in this order"):
        Page.of("x", "Fault.\n\n## Why is this bad?\nb\n## What it does\na\n## Example\nc\n## Use instead\nd\n")
    with pytest.raises(ValueError, match="allowed, in this order"):
        Page.of("x", "Fault.\n\n## What it does\na\n## Why is this bad?\nb\n## Examples\nc\n## Use instead\nd\n")


def test_findings_get_the_first_paragraph_as_plain_text() -> None:
    page = Page.of("x", FOREIGN.split('"""')[1])
    assert page.rationale == "It costs 2 steps."


def test_checks_are_chosen_by_name_or_family() -> None:
    names = [check.name for check in chosen(["labels"], ["labels-none"])]
    assert "labels-on-prompt" in names
    assert "labels-none" not in names
    assert all(name.startswith("labels-") for name in names)
    assert len(chosen([], [], "served")) == len(catalogue())
    assert {check.family for check in catalogue().values()} - {one.family for one in chosen([], [], "trial")} == {
        "serve"
    }
    assert {check.level for check in chosen([], [], "probe")} == {"static", "probe"}
    assert {check.level for check in chosen([], [])} == {"static"}


def test_a_name_that_is_no_check_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        known("label-none")
    assert "labels-none" in caught.value.remedy


def test_another_package_brings_a_check_through_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "our_fault.py").write_text(FOREIGN)
    (tmp_path / "broken_fault.py").write_text("measure = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def brought(name: str) -> None:
        point = importlib.metadata.EntryPoint(name, name, module.GROUP)
        monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])
        catalogue.cache_clear()

    try:
        brought("our_fault")
        assert catalogue()["our-fault"].page.remedy == "Undo it."
        brought("broken_fault")
        with pytest.raises(ConfigError, match="cannot be loaded"):
            catalogue()
    finally:
        catalogue.cache_clear()


def test_a_selection_that_leaves_nothing_to_check_is_refused_with_what_was_selected() -> None:
    with pytest.raises(ConfigError, match="no check of labels at level probe is left without labels, packs"):
        require_some([], ["labels"], ["labels", "packs"], "at level probe")
    require_some(chosen(["labels"], []), ["labels"], [], "at level static")
