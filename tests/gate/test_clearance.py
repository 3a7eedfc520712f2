"""The proof that a run was checked: what voids it, in which words, and what can be done to its file."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.errors import ConfigError
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate import clearance, clearance_file, fingerprint
from sanetune.gate import differences as gate_differences
from sanetune.gate.catalogue import catalogue
from sanetune.gate.clearance import cleared, sound_reason, unchecked_run
from sanetune.gate.clearance_file import read_clearance, read_experiments, withdraw_clearance, write_clearance
from sanetune.gate.differences import differences, missing_checks
from sanetune.gate.fingerprint import Fingerprint
from sanetune.gate.identity import hash_files, hub_commit
from sanetune.planning import plan as planning
from sanetune.runs import Run
from tests.report import experiments_made

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
TEMPLATE += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

Take = Callable[..., Fingerprint]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of its own in the current folder: copies of the demo's model, forty of its rows, a template."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(DEMO / "model", "model")
    rows = (DEMO / "data" / "train.jsonl").read_text().splitlines(keepends=True)
    Path("rows.jsonl").write_text("".join(rows[:40]))
    Path("held.jsonl").write_text("".join(rows[40:46]))
    Path("chat.jinja").write_text(TEMPLATE)
    Path("c.yaml").write_text(
        "model: {name: ./model, chat_template: chat.jinja}\ndata: {train: rows.jsonl, validation: held.jsonl}\n"
        "train: {max_steps: 4, learning_rate: 2.0e-5, per_device_train_batch_size: 2, max_length: 300}\n"
        "run: {name: x}\n"
    )
    return tmp_path


@pytest.fixture
def take(place: Path) -> Take:
    """The fingerprint of the configuration as it is now, with overrides."""

    def taken(*overrides: str) -> Fingerprint:
        config = load(place / "c.yaml", overrides)
        prepared = prepare(config)
        return fingerprint.fingerprint(planning.plan(config, prepared), prepared)

    return taken


def a_report(verdict: Verdict = Verdict.WARN, level: str = "trial") -> Report:
    bad = Finding("rows-duplicated", verdict, "3 of 40 rows are copies.")
    return Report([bad, Finding("rows-roles", Verdict.PASS, "All roles are known.")], level, 12.5)


def other(mark: Fingerprint, **parts: Any) -> list[str]:
    return differences(mark, replace(mark, **parts))


def test_nothing_changed_is_nothing_to_tell(take: Take) -> None:
    assert differences(take(), take()) == []


@pytest.mark.parametrize(
    "change",
    [
        "run.output_dir=elsewhere",
        "run.name=y",
        "run.trackers=[wandb]",
        "train.logging_first_step=true",
        "train.run_name=tea",
        "train.report_to=wandb",
        "data.workers=1",
        "run.sample_prompts=[Hello]",
        "check.level=static",
        "train.max_grad_norm=1.0",  # SFTConfig's own default, written down
    ],
)
def test_where_a_run_is_kept_and_shown_does_not_void(take: Take, change: str) -> None:
    assert differences(take(), take(change)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("train.learning_rate=2.0e-4", "train.learning_rate was 2e-05, is 0.0002"),
        ("train.max_grad_norm=0.3", "train.max_grad_norm was 1.0, is 0.3"),
        ("model.adapter=lora", "model.adapter.r was unset, is 16"),
        ("data.loss_on=all", "data.loss_on was 'assistant', is 'all'"),
        ("check.limits.rows-duplicated.share=0.5", "check.limits.rows-duplicated.share was unset, is 0.5"),
        ("check.severity.rows-secrets=off", "check.severity.rows-secrets was unset, is 'off'"),
        ("check.ignore=[rows-secrets]", "check.ignore was [], is ['rows-secrets']"),
        ("budget.max_usd=10", "budget.max_usd was unset, is 10"),
        ("run.devices=2", "run.devices was 1, is 2"),
        ("train.seed=7", "train.seed was 42, is 7"),
    ],
)
def test_a_changed_value_is_named_with_both(take: Take, change: str, words: str) -> None:
    found = differences(take(), take(change))
    assert any(one.startswith(words) for one in found), found


def test_only_what_follows_from_a_changed_learning_rate_is_reported(take: Take) -> None:
    assert differences(take(), take("train.learning_rate=2.0e-4")) == ["train.learning_rate was 2e-05, is 0.0002"]


def test_a_row_more_or_a_byte_changed_in_the_data_voids(take: Take) -> None:
    before, file = take(), Path("rows.jsonl")
    text = file.read_bytes()
    file.write_bytes(text + text.splitlines(keepends=True)[0])
    assert "data rows.jsonl has changed: 40 lines -> 41" in differences(before, take())
    place = text.index(b"a", 200)
    file.write_bytes(text[:place] + b"e" + text[place + 1 :])
    (said,) = [one for one in differences(before, take()) if "rows.jsonl" in one]
    assert said.startswith("data rows.jsonl has changed: hash ")
    file.write_bytes(text)
    assert differences(before, take()) == []


def test_validation_rows_count_and_a_file_that_only_moved_does_not(take: Take) -> None:
    before = take()
    Path("rows.jsonl").rename("moved.jsonl")
    assert differences(before, take("data.train=moved.jsonl")) == []
    with Path("held.jsonl").open("a") as file:
        file.write("\n")
    found = differences(before, take("data.train=moved.jsonl"))
    assert found == ["validation data held.jsonl has changed: 6 lines -> 7"]


def test_files_are_gone_new_or_in_another_order(take: Take) -> None:
    mark = take()
    one, two = {"kind": "lines", "hash": "a"}, {"kind": "lines", "hash": "b"}
    assert other(mark, data={"train": {"rows.jsonl": one}, "validation": mark.data["validation"]})[0].startswith(
        "data rows.jsonl has changed"
    )
    both = replace(mark, data={"train": {"a": one, "b": two}})
    assert other(both, data={"train": {"b": two, "a": one}}) == ["the files of data come in another order"]
    assert other(both, data={"train": {"a": one}}) == ["data b is gone"]
    assert other(replace(both, data={"train": {"a": one}}), data={"train": {"a": one, "b": two}}) == ["data b is new"]


def test_a_changed_template_weight_or_tokenizer_voids(take: Take) -> None:
    before = take()
    Path("chat.jinja").write_text(TEMPLATE.replace("{{ m.content }}", "{{ m.content }} "))
    assert differences(before, take()) == ["the chat template has changed"]
    Path("chat.jinja").write_text(TEMPLATE)
    weights = Path("model/model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    (said,) = differences(before, take())
    assert said.startswith("the model's model.safetensors has changed: hash ")
    data[-1] ^= 1
    weights.write_bytes(data)
    Path("model/generation_config.json").write_text("{}")
    (said,) = differences(before, take())
    assert said.startswith("the model's generation_config.json has changed: ")


def test_what_only_is_beside_the_model_does_not_void(take: Take) -> None:
    before = take()
    for name in ("README.md", "LICENSE.txt", "consolidated.safetensors", ".DS_Store.json"):
        Path("model", name).write_text("x")
    assert differences(before, take()) == []


def test_another_version_of_a_library_voids_also_a_patch(take: Take) -> None:
    mark = take()
    assert set(mark.versions) >= {"torch", "transformers", "trl", "tokenizers", "sanetune"}
    now = mark.versions | {"transformers": "999.0.1", "peft": None}
    assert other(mark, versions=now) == [
        f"transformers {mark.versions['transformers']} -> 999.0.1",
        f"peft {mark.versions['peft']} -> not installed",
    ]


def test_on_the_hub_a_commit_counts_and_one_that_cannot_be_reported_proves_nothing(take: Take) -> None:
    mark = replace(take(), model={"me/it": {"revision": "main", "commit": "a" * 40}})
    moved = {"me/it": {"revision": "main", "commit": "b" * 40}}
    assert other(mark, model=moved) == ["the model's me/it has changed: commit aaaaaaaa… -> bbbbbbbb…"]
    hidden = replace(mark, model={"me/it": {"revision": "main", "commit": None}})
    assert "the Hub does not say" in differences(hidden, hidden)[0]
    pinned = hub_commit("me/it", "c" * 40, "model")
    assert pinned == {"commit": "c" * 40}


def test_it_is_written_into_the_run_and_read_back(take: Take, place: Path) -> None:
    run = Run(place / "runs" / "x")
    assert read_clearance(run) == (None, "it has no clearance")
    proof = cleared(a_report(), take())
    write_clearance(run, proof)
    again, why = read_clearance(run)
    assert (again, why) == (proof, "")
    assert again is not None and again.proves
    assert differences(again.fingerprint, take()) == []
    assert again.summary.startswith("cleared at level trial on 20")
    assert "in 12 s: 1 passed, 1 warned" in again.summary
    Run.create(run.path)
    assert run.clearance.is_file(), "kept when the run begins"


def test_what_it_rests_on_is_beside_it(tmp_path: Path) -> None:
    run, mark = Run(tmp_path), Fingerprint({}, {}, {}, "", {})
    made = cleared(replace(a_report(), proof=experiments_made.full().to_json()), mark)
    write_clearance(run, made)
    assert "overfit" not in run.clearance.read_text()
    again, _ = read_clearance(run)
    assert again is not None
    assert read_experiments(run, again) == (experiments_made.full().to_json(), "")
    assert write_clearance(run, again) == again
    assert run.proof.is_file(), "the same clearance, written again when the run begins"
    Run.create(run.path)
    assert run.proof.is_file()
    write_clearance(run, replace(again, made="another day"))
    assert not run.proof.exists(), "not of this one"
    write_clearance(run, made)
    withdraw_clearance(run)
    assert not run.proof.exists() and not run.clearance.exists()


@pytest.mark.parametrize("text", ["{", "[]", "\0", "", '{"proof": 3}', "[" * 100_000, '{"proof": {"trial": {}}}'])
def test_a_broken_results_is_none_and_says_so(text: str, tmp_path: Path) -> None:
    run = Run(tmp_path)
    made = cleared(a_report(), Fingerprint({}, {}, {}, "", {}))
    assert read_experiments(run, made) == ({}, "")
    run.proof.write_text(text)
    found, why = read_experiments(run, made)
    assert found == {} and why.startswith("proof.json ")


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
    found, why = read_clearance(run)
    assert found is None
    assert "broken and proves nothing" in why
    assert len(why) < 300


def test_one_of_an_older_schema_proves_nothing_and_its_run_stays_marked(tmp_path: Path) -> None:
    run, mark = Run.create(tmp_path / "run"), Fingerprint({}, {}, {}, "", {})
    write_clearance(run, unchecked_run("a copy", mark))
    old = json.loads(run.clearance.read_text())
    run.clearance.write_text(json.dumps(old | {"schema": 1, "findings": [{"check": "labels-none", "what": "fine"}]}))
    found, why = read_clearance(run)
    assert found is None and "another version of sanetune" in why
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
    proof = cleared(a_report(Verdict.PASS), mark)
    assert write_clearance(run, proof).unchecked == "", "nothing was trained yet"
    write_clearance(run, unchecked_run("in a hurry", mark))
    (run.checkpoints / "checkpoint-2").mkdir()
    kept = write_clearance(run, proof)
    assert kept.proves
    assert kept.summary.endswith("its first steps were not checked: in a hurry")
    assert json.loads(run.clearance.read_text())["unchecked"] == "in a hurry"


def test_half_a_gigabyte_is_read_in_seconds(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.truncate(500 * 1024**2)
    began = time.perf_counter()
    found = hash_files({"w": file})
    assert found["w"]["size"] == 500 * 1024**2
    assert time.perf_counter() - began < 10
