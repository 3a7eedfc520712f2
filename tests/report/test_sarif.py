"""SARIF that a code host accepts: rules, results on lines, crashes beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanetune.checks.base import Check
from sanetune.errors import DataError, Place
from sanetune.finding import Finding, Measurement, Report, Verdict, Witness, passed
from sanetune.gate import catalogue
from sanetune.report.sarif import sarif
from tests.report import sample

URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")


PAGE = """Prompts are in the loss.

## What it does
Reads labels.

## Why is this bad?
It matters.

## Example
None.

## Use instead
Mask.
"""


@pytest.fixture(scope="module", autouse=True)
def known() -> Iterator[Check]:
    """The only check that there is."""
    module = ModuleType("sanetune.checks.labels.on_prompt")
    module.__doc__ = PAGE
    module.measure = lambda batch_statistics: Measurement()  # type: ignore[attr-defined]
    module.judge = lambda m, limits: passed("fine")  # type: ignore[attr-defined]
    check = Check.of(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "catalogue", lambda: {check.name: check})
        yield check


def one(report: Report, root: Path = Path("/work/project")) -> dict[str, Any]:
    """The run of a log whose structure is sound."""
    log = json.loads(json.dumps(sarif(report, root), allow_nan=False))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    run: dict[str, Any] = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "warning", "error")
        assert result["level"] in ("error", "warning")
        assert result["message"]["text"]
        for location in result.get("locations", []):
            sound(location, run)
    return run


def sound(location: dict[str, Any], run: dict[str, Any]) -> None:
    physical = location["physicalLocation"]
    artifact = physical["artifactLocation"]
    assert URI.fullmatch(artifact["uri"])
    if "uriBaseId" in artifact:
        assert artifact["uri"].split("/")[0] not in ("", "..")
        assert run["originalUriBaseIds"][artifact["uriBaseId"]]["uri"].endswith("/")
    if "region" in physical:
        assert physical["region"]["startLine"] >= 1


def results(run: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [result for result in run["results"] if result["ruleId"] == check]


def lines(run: dict[str, Any], check: str) -> list[tuple[str, int]]:
    places = [result["locations"][0]["physicalLocation"] for result in results(run, check)]
    return [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places]


def test_every_line_that_a_witness_names_is_marked() -> None:
    run = one(sample.report())
    assert lines(run, "labels-on-prompt") == [("data/train.jsonl", 12), ("data/train.jsonl", 3)]
    assert [result["level"] for result in results(run, "labels-on-prompt")] == ["error", "error"]
    assert {result["level"] for result in results(run, "rows-duplicated")} == {"warning"}
    assert lines(run, "config-rate-unusual") == [("sanetune.yaml", 9)]
    text = results(run, "labels-on-prompt")[0]["message"]["text"]
    for words in (sample.MASKED.message, sample.MASKED.rationale, sample.MASKED.remedy, "Where is my parcel?"):
        assert words in text


def test_what_passed_or_was_skipped_is_named_and_is_no_alert() -> None:
    run = one(sample.report())
    assert "rows-roles" in run["properties"]["passed"]
    assert "packs-dropped" in run["properties"]["skipped"]
    assert not results(run, "rows-roles") and not results(run, "packs-dropped")


def test_a_crash_is_a_notification_and_no_result() -> None:
    run = one(sample.report())
    assert not results(run, "tokens-unknown")
    invocation = run["invocations"][0]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["associatedRule"]["id"] == "tokens-unknown"
    assert "share = unknown / total" in notification["exception"]["message"]
    assert one(sample.clear())["invocations"] == [{"executionSuccessful": True, "exitCode": 0}]


def test_an_unusable_input_is_a_notification_with_its_place() -> None:
    report = Report([], unusable=DataError("line 3 is not JSON", place=Place("rows.jsonl", 3)))
    (notification,) = one(report)["invocations"][0]["toolExecutionNotifications"]
    assert notification["locations"][0]["physicalLocation"]["region"]["startLine"] == 3
    assert "line 3 is not JSON" in notification["message"]["text"]


def test_a_rule_has_its_page_as_help(known: Check) -> None:
    rules = {rule["id"]: rule for rule in one(sample.report())["tool"]["driver"]["rules"]}
    rule = rules[known.name]
    assert rule["shortDescription"]["text"] == "Prompts are in the loss."
    assert "Example\nNone." in rule["help"]["text"]
    assert "## Use instead\n\nMask." in rule["help"]["markdown"]
    assert rule["name"] == "LabelsOnPrompt"
    assert "help" not in rules["rows-roles"]  # a check that is not installed here


@pytest.mark.parametrize(
    ("file", "uri", "relative"),
    [
        ("data/ä b.jsonl", "data/%C3%A4%20b.jsonl", True),
        ("/work/project/data/x.jsonl", "data/x.jsonl", True),
        ("./data/../x.jsonl", "x.jsonl", True),
        ("../other/x.jsonl", "file:///work/other/x.jsonl", False),
        ("/elsewhere/x y.jsonl", "file:///elsewhere/x%20y.jsonl", False),
        ("hf://datasets/a/b.jsonl", "hf://datasets/a/b.jsonl", False),
    ],
)
def test_files_are_named_relative_to_the_root(file: str, uri: str, relative: bool) -> None:
    finding = Finding("rows-roles", Verdict.FAIL, "x", witnesses=[Witness("row", Place(file, 2))])
    artifact = one(Report([finding]))["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert artifact == {"uri": uri} | ({"uriBaseId": "ROOT"} if relative else {})


def test_a_moved_line_keeps_its_fingerprint_and_another_text_has_another() -> None:
    def fingerprint(line: int, text: str) -> str:
        finding = Finding("rows-roles", Verdict.FAIL, "x", witnesses=[Witness(text, Place("a.jsonl", line))])
        return str(one(Report([finding]))["results"][0]["partialFingerprints"])

    assert fingerprint(1, "a") == fingerprint(9, "a") != fingerprint(1, "b")


def test_links_and_placeholders_in_a_users_text_stay_text() -> None:
    finding = Finding("rows-roles", Verdict.FAIL, "see [here](https://example.org) and {0} and {7*7} [1]")
    text = one(Report([finding]))["results"][0]["message"]["text"]
    assert text == "see \\[here](https://example.org) and {{0} and {7*7} [1]"


@given(st.text(max_size=80), st.sampled_from(list(Verdict)), st.integers(-1, 5), st.floats())
def test_any_text_and_number_gives_sound_json(text: str, verdict: Verdict, line: int, value: float) -> None:
    witnesses = [Witness(text, Place(text, line), text, text), Witness(text)]
    finding = Finding(text, verdict, text, "", "", {text: value}, witnesses, {"a.b": {1, 2}}, {}, 0.1, text)
    run = one(Report([finding], subject={"config": text}))
    json.dumps(run, ensure_ascii=False).encode()
