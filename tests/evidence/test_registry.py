"""Evidence is built once, when it is asked for; what cannot be built is remembered too."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.errors import DataError
from sanetune.evidence.registry import BrokenError, Evidence, MissingError, builders_of, evidence


def test_evidence_is_built_once_and_only_when_asked_for() -> None:
    built: list[str] = []

    def rows() -> int:
        built.append("rows")
        return 3

    def examples(rows: int) -> int:
        built.append("examples")
        return rows * 2

    evidence = Evidence({"rows": rows, "examples": examples})
    assert not built
    assert [evidence["examples"], evidence["rows"], evidence["examples"]] == [6, 3, 6]
    assert built == ["rows", "examples"]
    assert set(evidence.seconds) == {"rows", "examples"}


def test_what_is_given_is_not_built() -> None:
    assert Evidence({}, {"config": 1})["config"] == 1


def test_missing_evidence_says_what_is_missing() -> None:
    with pytest.raises(MissingError, match="no config"):
        Evidence({})["config"]


def test_a_users_error_is_a_reason_to_skip_and_kept_as_the_reason_for_code_2() -> None:
    calls: list[int] = []

    def rows() -> Any:
        calls.append(1)
        raise DataError("the file is empty")

    evidence = Evidence({"rows": rows, "examples": lambda rows: rows})
    for name in ("rows", "examples", "rows"):
        with pytest.raises(MissingError, match="the file is empty"):
            evidence[name]
    assert len(calls) == 1, "a failed build is remembered"
    assert isinstance(evidence.unusable, DataError)


def test_a_bug_in_a_builder_is_reported_once_with_its_traceback() -> None:
    def rows() -> Any:
        raise ZeroDivisionError("a bug")

    evidence = Evidence({"rows": rows, "examples": lambda rows: rows})
    with pytest.raises(BrokenError) as first:
        evidence["examples"]
    assert "ZeroDivisionError: a bug" in first.value.trace
    assert first.value.first
    with pytest.raises(BrokenError) as second:
        evidence["rows"]
    assert not second.value.first


def test_costs_follow_the_order_of_the_builders() -> None:
    evidence = Evidence({"rows": lambda: 1, "examples": lambda: 2}, {"config": 0})
    assert [evidence.cost(needs) for needs in (("config",), ("rows",), ("rows", "examples"), ())] == [0, 1, 2, 0]


def test_a_remembered_error_keeps_no_frames() -> None:
    """Raised for forty checks it would else hold the frames of all of them, and what they hold."""

    def rows() -> Any:
        raise ZeroDivisionError("a bug")

    evidence, depths = Evidence({"rows": rows}), []
    for _ in range(5):
        with pytest.raises(BrokenError) as caught:
            evidence["rows"]
        depths.append(len(caught.traceback))
    assert depths[1:] == [depths[1]] * 4


class Source:
    """Evidence of two levels; ``doubled`` goes without ``length`` where there is none."""

    def __init__(self, rows: list[str] | None) -> None:
        self.given = rows

    @evidence(label="reading rows", depends_on=("rows",))
    def rows(self) -> list[str]:
        if self.given is None:
            raise MissingError("there are no rows")
        return self.given

    @evidence(level="probe")
    def length(self, rows: list[str]) -> int:
        return len(rows)

    @evidence()
    def doubled(self, length: int | None = None) -> int:
        return 2 * length if length is not None else -1


def test_a_source_gives_its_builders_in_order_up_to_a_level() -> None:
    assert list(builders_of(Source([]), "probe")) == ["rows", "length", "doubled"]
    assert list(builders_of(Source([]), "static")) == ["rows", "doubled"]


@pytest.mark.parametrize(
    ("rows", "level", "doubled"), [(["a", "b"], "probe", 4), (["a"], "static", -1), (None, "probe", -1)]
)
def test_an_optional_part_that_is_missing_is_left_to_its_default(rows: Any, level: str, doubled: int) -> None:
    assert Evidence(builders_of(Source(rows), level))["doubled"] == doubled


def test_a_bug_in_an_optional_part_is_not_left_out() -> None:
    found = Evidence(builders_of(Source(["a"]), "probe") | {"rows": lambda: 1 / 0})
    with pytest.raises(BrokenError):
        found["doubled"]
