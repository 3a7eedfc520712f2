"""A finding sends to no check that has found nothing in the same report."""

from __future__ import annotations

import pytest

from sanetune.finding import Finding, Verdict
from sanetune.gate.agreement import REASONS, with_reasons
from sanetune.gate.catalogue import catalogue


def remedy(check: str, words: str, verdicts: dict[str, Verdict]) -> str:
    first = Finding(check, Verdict.FAIL, "", remedy=words)
    return with_reasons([first, *(Finding(name, verdict, "") for name, verdict in verdicts.items())])[0].remedy


@pytest.mark.parametrize("check", REASONS)
def test_the_checks_that_a_page_sends_to_are_named_where_they_found_something_and_else_what_is_left(check: str) -> None:
    checks, otherwise = REASONS[check]
    page = catalogue()[check].page.remedy
    assert page.startswith("See ") and all(name in page and name in catalogue() for name in checks)
    nothing = dict.fromkeys(checks, Verdict.PASS) | {checks[0]: Verdict.SKIP}
    left = remedy(check, page, nothing)
    assert left.startswith(otherwise) and left.endswith("found nothing.")
    assert remedy(check, page, nothing | {checks[1]: Verdict.WARN}) == f"See {checks[1]} for the reason."
    assert remedy(check, page, {}) == page, "none of them was asked for"
    assert remedy(check, "Do this.", nothing) == "Do this.", "a remedy of its own"
