"""Every exception of ours survives a process boundary, and an error prints its sentences in order."""

from __future__ import annotations

import importlib
import inspect
import pickle
import re
from collections.abc import Iterator

import pytest

from sanetune import errors
from sanetune.data.refusals import Refusals, RefusedError
from sanetune.errors import ConfigError, Place, TemplateError, UserError
from sanetune.evidence.registry import BrokenError
from sanetune.finding import GateError
from tests.test_house import module_of, package_files

DEFINES = re.compile(r"^class \w+\(\w*(Error|Exception)\w*\)", re.MULTILINE)
MODULES = [importlib.import_module(module_of(file)) for file in package_files() if DEFINES.search(file.read_text())]
"""The modules that define exceptions."""
EXCEPTIONS = sorted(
    (
        one
        for module in MODULES
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, Exception) and one.__module__ == module.__name__
    ),
    key=lambda one: one.__name__,
)


def tree(kind: type[UserError]) -> Iterator[type[UserError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("kind", EXCEPTIONS)
def test_an_exception_survives_pickling(kind: type[Exception]) -> None:
    if issubclass(kind, UserError):
        error: Exception = kind("message", "rationale", "remedy", Place("rows.jsonl", line=3))
    elif kind is BrokenError:
        error = BrokenError("plan", "Traceback …", first=True, reason="because memory ran out")
    else:
        error = kind("message")
    same = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(same) is kind
    assert str(same) == str(error)
    assert vars(same) == vars(error) or kind is RefusedError


def test_an_error_prints_its_place_and_its_sentences() -> None:
    error = UserError("message", "rationale", "remedy", Place("rows.jsonl", line=3))
    assert str(error) == "rows.jsonl:3: message\nrationale\nremedy"


def test_refused_rows_survive_with_their_error() -> None:
    error = RefusedError("message", refusals=Refusals(2, [TemplateError("first"), TemplateError("second")]))
    assert pickle.loads(pickle.dumps(error)).refusals.count == 2  # noqa: S301


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    drawn = set(re.findall(r"\b\w+Error\b", str(errors.__doc__)))
    assert drawn == {kind.__name__ for kind in tree(UserError)}


def test_a_refusal_of_the_gate_exits_with_1_and_an_unusable_input_with_2() -> None:
    assert (GateError("x").exit_code, UserError("x").exit_code) == (1, 2)


def test_a_key_that_the_message_names_is_not_named_again_by_its_override() -> None:
    place = Place("override train.seed")
    assert ConfigError("train.seed is 'a'", place=place).headline == "override: train.seed is 'a'"
    assert ConfigError("train.seed_of is 'a'", place=place).headline == "override train.seed: train.seed_of is 'a'"
    assert ConfigError("train.seed is 'a'", place=Place("a.yaml", 3)).headline == "a.yaml:3: train.seed is 'a'"
