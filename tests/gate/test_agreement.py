"""One report proposes one learning rate."""

from __future__ import annotations

from sanetune.finding import Finding, Verdict
from sanetune.gate.agreement import one_learning_rate


def finding(check: str, verdict: Verdict, **fix: float) -> Finding:
    return Finding(check, verdict, "", fix={f"train.{key}": value for key, value in fix.items()})


def test_the_worse_of_two_findings_decides_and_other_keys_stay() -> None:
    worse = finding("curve-diverged", Verdict.FAIL, learning_rate=1e-5)
    other = finding("curve-spike", Verdict.WARN, learning_rate=3e-5, max_grad_norm=1.0)
    silent = finding("curve-nan", Verdict.PASS)
    found = one_learning_rate([worse, other, silent], {})
    assert [one.fix for one in found] == [
        {"train.learning_rate": 1e-5},
        {"train.learning_rate": 1e-5, "train.max_grad_norm": 1.0},
        {},
    ]


def test_a_comparison_on_held_out_rows_is_before_a_rule_of_thumb() -> None:
    rule = finding("curve-diverged", Verdict.FAIL, learning_rate=1e-5)
    compared = finding("curve-rate-beaten", Verdict.WARN, learning_rate=2e-5)
    found = one_learning_rate([rule, compared], {"curve-rate-beaten": 20})
    assert {one.fix["train.learning_rate"] for one in found} == {2e-5}
