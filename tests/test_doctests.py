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
    module = importlib.import_module(name)
    assert any(one.examples for one in doctest.DocTestFinder().find(module)), "the examples are in no docstring"
    assert not doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE).failed
