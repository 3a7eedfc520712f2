"""Each fault of the demo is injected where it belongs, and its check finds it; the run without it passes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from sanetune import api
from sanetune.cli.demo import FAULTS as OFFERED
from sanetune.config import load
from sanetune.config.schema import Config
from sanetune.demo import MODEL, TRAIN, faults, own_script
from sanetune.demo.faults import FAULTS, Fault, inject, sound_settings
from sanetune.finding import Report, Verdict
from sanetune.workflows.check import evidence_of, run_checks

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = ["data.max_examples=160", "train.per_device_train_batch_size=4"]
SOUND = Fault("sound", "Nothing is wrong.", "", (), "static", lambda folder, settings: None)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


def checked(config: Config, level: str, *select: str) -> Report:
    with evidence_of(config, level=level) as evidence:
        return run_checks(config, evidence, list(select), level=level)


def of(fault: Fault, folder: Path, *overrides: str) -> Config:
    return load(inject(fault, folder), [*SMALL, *overrides])


def test_the_command_offers_every_fault():
    assert tuple(FAULTS) == OFFERED


@pytest.mark.parametrize("name", ["no-stop", "cut"])
def test_what_the_rows_show_is_refused_without_the_model(name: str, tmp_path: Path):
    fault = FAULTS[name]
    report = checked(of(fault, tmp_path), "static", *fault.checks)
    assert [finding.check for finding in report.of(Verdict.FAIL)] == list(fault.checks)


def test_what_a_person_fixes_is_clear(tmp_path: Path):
    fault = FAULTS["cut"]
    file = inject(fault, tmp_path)
    assert fault.fix is not None
    text, done = fault.fix(file.read_text())
    file.write_text(text)
    report = checked(load(file, SMALL), "static", *fault.checks)
    assert done and report.verdict is Verdict.PASS, report.findings


def test_shuffled_answers_are_refused_and_the_sound_file_is_not(tmp_path: Path):
    fault = FAULTS["shuffled"]
    report = checked(of(fault, tmp_path), "probe", *fault.checks)
    assert report["model-pairs-shuffled"].verdict is Verdict.FAIL
    assert checked(of(SOUND, tmp_path), "probe", *fault.checks).verdict is Verdict.PASS


def test_shuffling_moves_every_answer_and_loses_none(tmp_path: Path):
    inject(FAULTS["shuffled"], tmp_path)
    rows = [[json.loads(line)["messages"] for line in file.open()] for file in (TRAIN, tmp_path / "train.jsonl")]
    answers = [[[one["content"] for one in row if one["role"] == "assistant"] for row in side] for side in rows]
    assert sorted(answers[0]) == sorted(answers[1])
    assert sum(before == after for before, after in zip(*answers, strict=True)) < 5  # a few letters are alike
    asked = [[[one for one in row if one["role"] != "assistant"] for row in side] for side in rows]
    assert asked[0] == asked[1]


def test_documents_that_see_each_other_are_refused_and_packs_with_borders_are_not(tmp_path: Path):
    fault = FAULTS["leak"]
    config = of(fault, tmp_path)
    with fault.within():
        report = checked(config, "probe", *fault.checks)
    assert report["packs-leak"].verdict is Verdict.FAIL
    assert report.fixes == {"train.packing": False}
    assert checked(config, "probe", *fault.checks).verdict is Verdict.PASS


def test_a_learning_rate_too_high_is_found_by_a_probe_and_the_sound_one_is_not(tmp_path: Path):
    config = of(FAULTS["rate"], tmp_path)
    assert config.train["learning_rate"] == pytest.approx(faults.TOO_HIGH * faults.LEARNING_RATE)
    report = checked(config, "probe", "model-rate-critical")
    assert report["model-rate-critical"].verdict in (Verdict.WARN, Verdict.FAIL)
    assert report.fixes["train.learning_rate"] < 3 * faults.LEARNING_RATE
    assert checked(of(SOUND, tmp_path), "probe", "model-rate-critical").verdict is Verdict.PASS


def test_a_script_with_prompts_in_the_loss_is_refused_and_prepared_rows_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    few = tmp_path / "few.jsonl"
    few.write_text("".join(TRAIN.open().readlines()[:40]))
    for module in (own_script, faults):
        monkeypatch.setattr(module, "TRAIN", few)
        monkeypatch.setattr(module, "VALIDATION", few)
    trainer = own_script.on_messages(tmp_path / "script")
    assert api.check(trainer, select=["labels-on-prompt"]).verdict is Verdict.FAIL
    row = own_script.first_row(trainer)
    assert row["labels"] == row["input_ids"]
    prepared = api.prepare(sound_settings())
    report = api.check(own_script.on_prepared(tmp_path / "script", prepared), select=["labels", "template"])
    assert report.verdict is Verdict.PASS, [(one.check, one.message) for one in report.of(Verdict.FAIL, Verdict.WARN)]


def test_packaged_files_stay_as_they_are(tmp_path: Path):
    files = [TRAIN, *sorted(MODEL.iterdir())]
    before = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    for name, fault in FAULTS.items():
        inject(fault, tmp_path / name)
    assert before == [hashlib.sha256(file.read_bytes()).digest() for file in files]
