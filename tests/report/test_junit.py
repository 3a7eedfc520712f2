"""JUnit XML that any reader can parse, with every check in it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from sanetune.errors import DataError, Place
from sanetune.finding import Finding, Report, Verdict, Witness
from sanetune.report.junit import junit
from tests.report import sample


def cases(report: Report) -> dict[str, ET.Element]:
    return {case.attrib["name"]: case for case in ET.fromstring(junit(report).encode()).iter("testcase")}


def test_each_check_is_a_test_case_with_its_outcome() -> None:
    report = sample.report()
    found = cases(report)
    assert list(found) == [finding.check for finding in report.findings]
    outcomes = {name: [child.tag for child in case] for name, case in found.items()}
    assert outcomes["labels-on-prompt"] == ["failure"]
    assert outcomes["tokens-unknown"] == ["error"]
    assert outcomes["packs-dropped"] == ["skipped"]
    assert outcomes["rows-duplicated"] == outcomes["rows-roles"] == ["system-out"]
    assert found["labels-on-prompt"].attrib["classname"] == "sanetune.labels"


def test_the_suite_counts_what_it_holds() -> None:
    root = ET.fromstring(junit(sample.report()).encode())
    for element in (root, root[0]):
        counts = {name: element.attrib[name] for name in ("tests", "failures", "errors", "skipped", "time")}
        assert counts == {"tests": "10", "failures": "1", "errors": "1", "skipped": "2", "time": "12.340"}
    properties = {one.attrib["name"]: one.attrib["value"] for one in root.iter("property")}
    assert properties["verdict"] == "fail"
    assert properties["config"] == "sanetune.yaml"


def test_a_failure_says_everything_and_where() -> None:
    case = cases(sample.report())["labels-on-prompt"]
    failure = case[0]
    assert failure.attrib["message"] == sample.MASKED.message
    text = failure.text or ""
    for words in (sample.MASKED.rationale, sample.MASKED.remedy, "fix: data.loss_on: assistant", "data/train.jsonl:12"):
        assert words in text
    assert "<script>alert(1)</script>" in text
    assert (case.attrib["file"], case.attrib["line"]) == ("data/train.jsonl", "12")


def test_a_crash_has_its_traceback_and_a_skip_its_reason() -> None:
    found = cases(sample.report())
    assert "share = unknown / total" in (found["tokens-unknown"][0].text or "")
    assert found["packs-dropped"][0].attrib["message"] == "this run does not pack"


def test_an_unusable_input_is_an_error_of_its_own() -> None:
    report = Report(sample.LEFT_OUT, unusable=DataError("line 3 is not JSON", place=Place("rows.jsonl", 3)))
    case = cases(report)["input"]
    assert case[0].attrib["message"] == "line 3 is not JSON"
    assert case[0].text == "rows.jsonl:3: line 3 is not JSON"


@given(st.text(max_size=100), st.sampled_from(list(Verdict)))
def test_any_text_can_be_read_back(text: str, verdict: Verdict) -> None:
    witness = Witness(text, Place(text or "f", 1), text, text)
    finding = Finding(text, verdict, text, text, text, {}, [witness], {"a.b": text}, traceback=text)
    root = ET.fromstring(junit(Report([finding], subject={text: text})).encode())
    assert len(list(root.iter("testcase"))) == 1
    if text.isprintable():
        assert next(root.iter("testcase")).attrib["name"] == text
