"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.test_house import HOME, module_of

WITH_EXAMPLES = sorted(
    module_of(file) for file in (HOME / "sanetune").rglob("*.py") if ">>> " in file.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_run(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried, "the examples are not in a docstring of this module"
    assert not failed
