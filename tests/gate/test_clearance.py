"""The proof that a run was checked: its file, what it holds, and what is said about one that cannot be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sanetune.errors import ConfigError
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate import clearance, clearance_file
from sanetune.gate import differences as gate_differences
from sanetune.gate.catalogue import catalogue
from sanetune.gate.clearance import cleared, sound_reason, unchecked_run
from sanetune.gate.clearance_file import read_clearance, read_experiments, withdraw_clearance, write_clearance
from sanetune.gate.differences import differences, missing_checks
from sanetune.gate.fingerprint import Fingerprint
from sanetune.report.clearance import lines, report_of
from sanetune.runs import Run
from tests.report import experiments_made

Take = Callable[..., Fingerprint]


def a_report(verdict: Verdict = Verdict.WARN, level: str = "trial") -> Report:
    bad = Finding("rows-duplicated", verdict, "3 of 40 rows are copies.")
    return Report([bad, Finding("rows-roles", Verdict.PASS, "All roles are known.")], level, 12.5)


def test_it_is_written_into_the_run_and_read_back(take: Take, place: Path) -> None:
    run = Run(place / "runs" / "x")
    assert read_clearance(run) == (None, "it has no clearance")
    made = cleared(a_report(), take())
    write_clearance(run, made)
    again, reason = read_clearance(run)
    assert (again, reason) == (made, "")
    assert again is not None and again.proves
    assert differences(again.fingerprint, take()) == []
    assert again.summary.startswith("cleared at level trial on 20")
    assert "in 12 s: 1 passed, 1 warned" in again.summary
    Run.create(run.path)
    assert run.clearance.is_file(), "kept when the run begins"


def test_what_it_rests_on_is_beside_it(tmp_path: Path) -> None:
    run, mark = Run(tmp_path), Fingerprint({}, {}, {}, "", {})
    made = cleared(replace(a_report(), experiments=experiments_made.full().to_json()), mark)
    write_clearance(run, made)
    assert "overfit" not in run.clearance.read_text()
    again, _ = read_clearance(run)
    assert again is not None
    assert read_experiments(run, again) == (experiments_made.full().to_json(), "")
    assert write_clearance(run, again) == again
    assert run.experiments.is_file(), "the same clearance, written again when the run begins"
    Run.create(run.path)
    assert run.experiments.is_file()
    write_clearance(run, replace(again, made="another day"))
    assert not run.experiments.exists(), "not of this one"
    write_clearance(run, made)
    withdraw_clearance(run)
    assert not run.experiments.exists() and not run.clearance.exists()


def test_what_a_finding_says_to_do_is_kept_where_it_is_not_what_its_page_says(tmp_path: Path) -> None:
    run, usual = Run(tmp_path), catalogue()["rows-duplicated"].page.remedy
    own, as_usual = (replace(a_report().findings[0], remedy=one) for one in ("Drop rows 3, 5 and 7.", usual))
    for finding, kept in ((own, own.remedy), (as_usual, "")):
        write_clearance(run, cleared(Report([finding], "trial", 1.0), Fingerprint({}, {}, {}, "", {})))
        again, _ = read_clearance(run)
        assert again is not None and again.findings[0].remedy == kept
        assert report_of(again, {}, {}).findings[0].remedy == finding.remedy
        assert ("Drop rows" in lines(again, remedies=True)[1]) == bool(kept)
        assert "Drop rows" not in lines(again)[1]
    stored = json.loads(run.clearance.read_text())
    del stored["findings"][0]["remedy"]
    run.clearance.write_text(json.dumps(stored))
    again, _ = read_clearance(run)
    assert again is not None and report_of(again, {}, {}).findings[0].remedy == usual


@pytest.mark.parametrize("text", ["{", "[]", "\0", "", '{"proof": 3}', "[" * 100_000, '{"proof": {"trial": {}}}'])
def test_a_broken_results_is_none_and_says_so(text: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    made = cleared(a_report(), Fingerprint({}, {}, {}, "", {}))
    assert read_experiments(run, made) == ({}, "")
    run.experiments.write_text(text)
    found, reason = read_experiments(run, made)
    assert found == {} and reason.startswith("proof.json ")


def test_a_failed_check_is_no_results(take: Take) -> None:
    with pytest.raises(ValueError, match="proves nothing"):
        cleared(a_report(Verdict.FAIL), take())


def test_one_of_another_run_does_not_fit(take: Take, place: Path) -> None:
    ours, theirs = Run(place / "a"), Run(place / "b")
    write_clearance(theirs, cleared(a_report(), take("train.learning_rate=1.0e-3", "train.seed=1")))
    ours.path.mkdir()
    shutil.copy(theirs.clearance, ours.clearance)
    found, _ = read_clearance(ours)
    assert found is not None
    assert "train.learning_rate was 0.001, is 2e-05" in differences(found.fingerprint, take())


BROKEN = {
    "no JSON": "{",
    "a list": "[]",
    "binary": "\0\1\2",
    "an empty file": "",
    "half of it": '{"verdict": "pass"}',
    "deep": "[" * 100_000,
    "an invented verdict": None,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_none_and_says_so(name: str, tmp_path: Path) -> None:
    run, text = Run(tmp_path), BROKEN[name]
    if text is None:
        mark = Fingerprint({}, {}, {}, "", {})
        write_clearance(run, cleared(a_report(), mark))
        text = run.clearance.read_text().replace('"verdict": "warn",\n "level"', '"verdict": "fail",\n "level"')
    run.clearance.write_text(text)
    found, reason = read_clearance(run)
    assert found is None
    assert "broken and proves nothing" in reason
    assert len(reason) < 300


def test_one_of_an_older_schema_proves_nothing_and_its_run_stays_marked(tmp_path: Path) -> None:
    run, mark = Run.create(tmp_path / "run"), Fingerprint({}, {}, {}, "", {})
    write_clearance(run, unchecked_run("a copy", mark))
    old = json.loads(run.clearance.read_text())
    run.clearance.write_text(json.dumps(old | {"schema": 1, "findings": [{"check": "labels-none", "what": "fine"}]}))
    found, reason = read_clearance(run)
    assert found is None and "another version of sanetune" in reason
    (run.checkpoints / "checkpoint-2").mkdir()
    assert write_clearance(run, cleared(a_report(), mark)).unchecked == "a copy"


def test_a_check_that_has_changed_since_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cleared(a_report(), Fingerprint({}, {}, {}, "", {}))
    names = ["rows-duplicated", "rows-roles", "labels-none"]
    assert missing_checks(found, names) == ["labels-none was not among its checks"]
    checks = catalogue() | {"rows-roles": replace(catalogue()["rows-roles"], version=2)}
    for module in (clearance, gate_differences):
        monkeypatch.setattr(module, "catalogue", lambda: checks)
    assert missing_checks(found, names[:2]) == ["rows-roles has changed: version 1 -> 2"]
    again = cleared(a_report(), Fingerprint({}, {}, {}, "", {}))
    assert missing_checks(again, names[:2]) == []


def test_one_that_is_too_large_or_no_file_is_not_read(tmp_path: Path) -> None:
    import os

    run = Run(tmp_path)
    with run.clearance.open("wb") as file:
        file.truncate(clearance_file.LARGEST + 1)
    assert "too large" in read_clearance(run)[1]
    run.clearance.unlink()
    os.mkfifo(run.clearance)
    assert read_clearance(run)[0] is None
    run.clearance.unlink()
    run.clearance.mkdir()
    assert read_clearance(run)[0] is None


def test_a_reason_must_say_something() -> None:
    assert sound_reason("  it is\n a copy ") == "it is a copy"
    for reason in ("", "  ", "-", "...", "x" * 2000):
        with pytest.raises(ConfigError, match="the reason to train unchecked"):
            sound_reason(reason)


def test_a_run_that_began_unchecked_stays_marked(tmp_path: Path) -> None:
    mark = Fingerprint({}, {}, {}, "", {})
    run = Run.create(tmp_path / "run")
    write_clearance(run, unchecked_run("in a hurry", mark))
    made = cleared(a_report(Verdict.PASS), mark)
    assert write_clearance(run, made).unchecked == "", "nothing was trained yet"
    write_clearance(run, unchecked_run("in a hurry", mark))
    (run.checkpoints / "checkpoint-2").mkdir()
    kept = write_clearance(run, made)
    assert kept.proves
    assert kept.summary.endswith("its first steps were not checked: in a hurry")
    assert json.loads(run.clearance.read_text())["unchecked"] == "in a hurry"
