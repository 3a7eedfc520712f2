"""Reports: the worst finding decides, and what is written can be read by machines."""

from __future__ import annotations

import json

import pytest

from sanetune.errors import DataError, Place
from sanetune.finding import Finding, GateError, Report, Verdict, Witness

FAIL = Finding(
    "labels-none", Verdict.FAIL, "3 rows are blank", "why", "do this", {"blank": 3}, fix={"data.loss_on": "last"}
)
WARN = Finding("batches-padding", Verdict.WARN, "half is padding", fix={"train.packing": True, "data.loss_on": "all"})
PASS = Finding("labels-shifted", Verdict.PASS, "all equal")
SKIP = Finding("packs-dropped", Verdict.SKIP, "skipped: no packs")
CRASH = Finding("rows-roles", Verdict.CRASH, "bug", traceback="Traceback")


@pytest.mark.parametrize(
    ("findings", "verdict", "code"),
    [
        ([], Verdict.PASS, 0),
        ([PASS, SKIP], Verdict.PASS, 0),
        ([WARN, PASS], Verdict.WARN, 0),
        ([FAIL, WARN], Verdict.FAIL, 1),
        ([CRASH, PASS], Verdict.FAIL, 1),
    ],
)
def test_the_worst_finding_decides_and_a_skip_does_not(findings: list[Finding], verdict: Verdict, code: int) -> None:
    report = Report(findings)
    assert report.verdict is verdict
    assert report.exit_code == code


def test_unusable_input_is_code_2_whatever_else_was_found() -> None:
    report = Report([PASS], unusable=DataError("no file"))
    assert report.exit_code == 2
    assert report.verdict is Verdict.FAIL
    assert "no file" in report.to_json()["unusable"]


def test_a_failed_report_raises_with_every_bad_finding_by_name() -> None:
    with pytest.raises(GateError) as caught:
        Report([CRASH, FAIL, WARN]).raise_if_failed()
    assert "labels-none: 3 rows are blank" in str(caught.value)
    assert "rows-roles" in str(caught.value)
    assert "batches-padding" not in str(caught.value)
    assert caught.value.exit_code == 1
    Report([WARN]).raise_if_failed()


def test_the_worse_finding_decides_about_a_key_that_two_want_to_fix() -> None:
    assert Report([FAIL, WARN]).fixes == {"data.loss_on": "last", "train.packing": True}


def test_json_has_the_keys_of_the_contract() -> None:
    witness = Witness("text", Place("a.jsonl", 3, 2), split="train", example=0)
    finding = Finding(
        "labels-none", Verdict.FAIL, "what", "why", "todo", {"n": 1}, [witness], {"a.b": 1}, {"x": 0}, 0.5
    )
    values = json.loads(json.dumps(Report([finding], seconds=1.0).to_json()))
    assert values["schema"] == 1
    assert values["verdict"] == "fail"
    first = values["findings"][0]
    assert {"check", "verdict", "message", "evidence", "witnesses", "fix", "seconds"} <= first.keys()
    assert first["message"] == "what why todo"
    assert first["witnesses"] == [
        {"text": "text", "file": "a.jsonl", "line": 3, "row": 2, "split": "train", "example": 0}
    ]


def test_a_finding_is_found_by_its_check() -> None:
    assert Report([FAIL, PASS])["labels-shifted"] is PASS
    with pytest.raises(KeyError):
        Report([FAIL])["labels-shifted"]
