"""Every error of ours survives a process boundary, and prints its sentences in order."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from sanetune.data.examples import Refusals, RefusedError
from sanetune.errors import Place, TemplateError, UserError
from sanetune.finding import GateError


def tree(kind: type[UserError]) -> Iterator[type[UserError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from tree(child)


@pytest.mark.parametrize("kind", sorted(tree(UserError), key=lambda kind: kind.__name__))
def test_an_error_survives_pickling(kind: type[UserError]) -> None:
    error = kind("message", "rationale", "remedy", Place("rows.jsonl", line=3))
    same = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(same) is kind and str(same) == str(error) == "rows.jsonl:3: message\nrationale\nremedy"


def test_refused_rows_survive_with_their_error() -> None:
    error = RefusedError("message", refusals=Refusals(2, [TemplateError("first"), TemplateError("second")]))
    assert pickle.loads(pickle.dumps(error)).refusals.count == 2  # noqa: S301


def test_a_refusal_of_the_gate_exits_with_1_and_an_unusable_input_with_2() -> None:
    assert (GateError("x").exit_code, UserError("x").exit_code) == (1, 2)
