"""The pages of checks: in the documentation they are what the checks themselves say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sanetune.checks.base import Check
from sanetune.config.load import load
from sanetune.gate.catalogue import catalogue
from sanetune.report import check_pages

DOCS = Path(__file__).resolve().parents[2] / "docs" / "checks"


def test_the_pages_in_the_documentation_are_up_to_date(tmp_path: Path) -> None:
    """`make docs` writes them."""
    written = {file.name: file.read_text() for file in check_pages.write(tmp_path)}
    assert written == {file.name: file.read_text() for file in DOCS.glob("*.md")}
    assert len(written) == len(catalogue()) + 1


def test_pages_of_checks_that_are_gone_are_deleted(tmp_path: Path) -> None:
    (tmp_path / "labels-gone.md").write_text("old")
    check_pages.write(tmp_path)
    assert not (tmp_path / "labels-gone.md").exists()


def test_a_page_names_every_limit_with_its_source() -> None:
    for check in catalogue().values():
        text = check_pages.markdown(check)
        for name, limit in check.limits.items():
            assert f"`{name}`" in text
            assert limit.source in text


def test_a_page_on_the_terminal_fits_80_columns() -> None:
    for check in catalogue().values():
        wide = [line for line in check_pages.text(check).splitlines() if len(line) > 80 and "https://" not in line]
        assert not wide, check.name


@pytest.mark.parametrize("check", catalogue().values(), ids=lambda check: check.name)
def test_yaml_on_a_page_is_a_configuration_that_loads(check: Check) -> None:
    for block in re.findall(r"^```yaml\n(.*?)^```$", check_pages.markdown(check), flags=re.MULTILINE | re.DOTALL):
        given: dict[str, Any] = YAML(typ="safe").load(block)
        for section, values in {"model": {"name": "MODEL"}, "data": {"train": "DATA"}}.items():
            given[section] = values | given.get(section, {})
        load(given)


@pytest.mark.parametrize("check", catalogue().values(), ids=lambda check: check.name)
def test_what_a_finding_takes_from_the_page_is_short(check: Check) -> None:
    assert len(check.page.rationale) <= 135 and len(check.page.remedy) <= 145


@pytest.mark.parametrize("check", catalogue().values(), ids=lambda check: check.name)
def test_a_page_has_sentences_that_fit_a_finding_and_examples(check: Check) -> None:
    assert len(check.page.rationale) <= 150
    assert len(check.page.remedy) <= 150
    assert "```" in check.page.sections["Example"]
