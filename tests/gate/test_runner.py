"""Checks run cheapest first; a missing piece skips, a bug crashes, and neither hides the others."""

from __future__ import annotations

from typing import Any

import pytest

from sanetune.checks.base import Check, Limit, Limits, NotApplicableError, Page
from sanetune.errors import ConfigError
from sanetune.evidence.registry import Evidence
from sanetune.finding import Judgement, Measurement, Verdict, failed, passed, warned
from sanetune.gate.runner import Rules, run

PAGE = Page("Fault.", {"Why is this bad?": "It matters.", "Use instead": "Do this."})


def check(name: str, needs: tuple[str, ...], measure: Any, judge: Any = None, **limits: float) -> Check:
    wrapped = {key: Limit(value, "source") for key, value in limits.items()}
    return Check(name, PAGE, needs, wrapped, measure, judge or (lambda measured, limits: passed("fine")))


def count(rows: int) -> Measurement:
    return Measurement({"rows": rows})


def at_most(measured: Measurement, limits: Limits) -> Judgement:
    rows = measured.numbers["rows"]
    return failed(f"{rows} rows") if rows > limits["most"] else passed(f"{rows} rows")


def test_cheap_checks_run_first_and_findings_come_worst_first() -> None:
    order: list[str] = []
    evidence = Evidence({"rows": lambda: 3, "batches": lambda rows: rows})
    checks = [
        check("b-late", ("batches",), lambda batches: order.append("b-late") or Measurement()),
        check(
            "a-early",
            ("rows",),
            lambda rows: order.append("a-early") or Measurement(),
            lambda measured, limits: warned("hm"),
        ),
    ]
    found = run(checks, evidence)
    assert order == ["a-early", "b-late"]
    assert [finding.check for finding in found] == ["a-early", "b-late"]


def test_a_bug_in_a_check_is_a_crash_with_its_traceback_and_hides_no_other() -> None:
    def broken(rows: int) -> Measurement:
        raise KeyError("bug")

    found = run([check("a", ("rows",), broken), check("b", ("rows",), count)], Evidence({"rows": lambda: 1}))
    assert {finding.check: finding.verdict for finding in found} == {"a": Verdict.CRASH, "b": Verdict.PASS}
    assert "KeyError" in found[0].traceback


def test_memory_that_runs_out_is_no_bug_and_no_results() -> None:
    def full(rows: int) -> Measurement:
        raise MemoryError

    found = run([check("a", ("rows",), full), check("b", ("rows",), count)], Evidence({"rows": lambda: 1}))
    assert found[0].verdict is Verdict.CRASH and "memory ran out" in found[0].message and "bug" not in found[0].message

    def built() -> int:
        raise MemoryError

    both = run([check("a", ("rows",), count), check("b", ("rows",), count)], Evidence({"rows": built}))
    assert [one.verdict for one in both] == [Verdict.CRASH, Verdict.SKIP]
    assert all("memory ran out" in one.message for one in both)


def test_missing_evidence_is_a_skip_with_its_reason() -> None:
    found = run([check("a", ("batches",), count)], Evidence({"rows": lambda: 1}))
    assert found[0].verdict is Verdict.SKIP
    assert "no batches" in found[0].message


def test_what_cannot_exist_is_a_skip_with_its_reason() -> None:
    def inapplicable(rows: int) -> Measurement:
        raise NotApplicableError("nothing is packed")

    found = run([check("a", ("rows",), inapplicable)], Evidence({"rows": lambda: 1}))
    assert (found[0].verdict, found[0].message) == (Verdict.SKIP, "skipped: nothing is packed")


def test_a_bug_in_a_builder_crashes_one_check_and_skips_the_rest() -> None:
    def rows() -> int:
        raise ZeroDivisionError

    found = run([check("a", ("rows",), count), check("b", ("rows",), count)], Evidence({"rows": rows}))
    assert [finding.verdict for finding in found] == [Verdict.CRASH, Verdict.SKIP]


def test_limits_of_the_configuration_count_and_are_in_the_finding() -> None:
    one = check("a", ("rows",), count, at_most, most=5)
    evidence = Evidence({"rows": lambda: 6})
    assert run([one], evidence)[0].verdict is Verdict.FAIL
    found = run([one], evidence, Rules({"a": {"most": 6}}))[0]
    assert (found.verdict, found.limits) == (Verdict.PASS, {"most": 6})
    with pytest.raises(ConfigError, match="no limit 'mots'"):
        run([one], evidence, Rules({"a": {"mots": 6}}))


def test_limits_reach_a_measure_that_asks_for_them() -> None:
    def above(rows: int, limits: Limits) -> Measurement:
        return Measurement({"rows": max(0, rows - limits["from"])})

    one = Check("a", PAGE, ("rows",), {"from": Limit(5, "source"), "most": Limit(0, "source")}, above, at_most)
    evidence = Evidence({"rows": lambda: 6})
    assert run([one], evidence)[0].verdict is Verdict.FAIL
    assert run([one], evidence, Rules({"a": {"from": 6}}))[0].verdict is Verdict.PASS


@pytest.mark.parametrize("value", ["6", None, True, [6]])
def test_a_limit_is_a_number(value: Any) -> None:
    one = check("a", ("rows",), count, at_most, most=5)
    with pytest.raises(ConfigError, match="the limit most of a is"):
        run([one], Evidence({"rows": lambda: 6}), Rules({"a": {"most": value}}))


def test_severities_turn_findings_and_off_leaves_a_check_out() -> None:
    one = check("a", ("rows",), count, at_most, most=5)
    evidence = Evidence({"rows": lambda: 6})
    assert run([one], evidence, Rules(severity={"a": "warn"}))[0].verdict is Verdict.WARN
    assert run([one], evidence, Rules(severity={"a": "off"})) == []
    good = Evidence({"rows": lambda: 1})
    assert run([one], good, Rules(severity={"a": "fail"}))[0].verdict is Verdict.PASS


def test_why_and_what_to_do_come_from_the_page_of_a_bad_finding_only() -> None:
    one = check("a", ("rows",), count, at_most, most=5)
    bad, good = (run([one], Evidence({}, {"rows": rows}))[0] for rows in (6, 1))
    assert (bad.rationale, bad.remedy) == ("It matters.", "Do this.")
    assert (good.rationale, good.remedy, good.message) == ("", "", "1 rows.")
