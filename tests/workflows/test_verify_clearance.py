"""A clearance is about the very files that training left, and about the configuration and data that were checked."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.config.load import load
from sanetune.finding import Finding, Report, Verdict
from sanetune.gate.clearance import Verification as Served
from sanetune.gate.clearance import cleared, unchecked_run
from sanetune.gate.clearance_file import read_clearance, write_clearance
from sanetune.gate.fingerprint import Fingerprint, data_identity, model_identity, settings_of
from sanetune.gate.trained_files import record
from sanetune.runs import Run
from sanetune.workflows.verify_clearance import Verification, verify_clearance

CONFIG = """\
model: {name: base}
data: {train: rows.jsonl}
train: {learning_rate: 2.0e-5, max_steps: 4}
run: {output_dir: runs/x}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run as training leaves it, without the training: a base, rows, a clearance about them, weights, an adapter."""
    monkeypatch.chdir(tmp_path)
    for folder in ("base", "runs/x/model", "runs/x/adapter"):
        Path(folder).mkdir(parents=True)
    Path("base/config.json").write_text("{}")
    Path("rows.jsonl").write_text('{"messages": []}\n' * 3)
    Path("c.yaml").write_text(CONFIG)
    run = Run(tmp_path / "runs/x")
    run.config.write_text(CONFIG.replace("base", str(tmp_path / "base")).replace("rows", str(tmp_path / "rows")))
    for name, text in (("config.json", "{}"), ("model.safetensors", "weights" * 100), ("README.md", "card")):
        (run.model / name).write_text(text)
    (run.adapter / "adapter_config.json").write_text("{}")
    (run.adapter / "adapter_model.safetensors").write_text("adapter")
    config = load(Path("c.yaml"))
    mark = Fingerprint(settings_of(config), data_identity(config), model_identity(config), "", {})
    write_clearance(run, cleared(Report([Finding("rows-roles", Verdict.PASS, "Fine.")], "trial", 9.0), mark))
    record(run)
    return run


def verdicts(found: Verification) -> dict[str, str]:
    return {part.name: part.verdict.value for part in found.parts}


def message(found: Verification, name: str) -> str:
    return next(part.message for part in found.parts if part.name == name)


def test_it_fits_the_weights_that_training_left(run: Run) -> None:
    found = verify_clearance(run.path)
    names = ("clearance", "weights", "adapter", "configuration", "data", "base model")
    assert found.fits and verdicts(found) == dict.fromkeys(names, "pass")
    stored = json.loads(run.trained_files.read_text())["model"]
    assert set(stored) == {"config.json", "model.safetensors"}, "a card may be edited"
    assert stored["model.safetensors"]["sha256"] == hashlib.sha256(b"weights" * 100).hexdigest()
    (run.model / "README.md").write_text("another card")
    assert verify_clearance(run.path).fits


def test_a_line_about_a_server_keeps_it_the_one_that_was_trained_with_and_another_change_does_not(run: Run) -> None:
    clearance, _ = read_clearance(run)
    assert clearance is not None
    write_clearance(run, replace(clearance, served=[Served("a.gguf", Verdict.PASS, "now", "9 passed")]))
    assert "a.gguf" in run.clearance.read_text() and verify_clearance(run.path).fits
    run.clearance.write_text(run.clearance.read_text().replace('"level": "trial"', '"level": "probe"'))
    assert verdicts(verify_clearance(run.path))["clearance"] == "fail"


def truncate(run: Run) -> None:
    (run.model / "model.safetensors").write_text("weights" * 99)


def tamper(run: Run) -> None:
    (run.model / "model.safetensors").write_text("weightz" + "weights" * 99)


def exchange_adapter(run: Run) -> None:
    (run.adapter / "adapter_model.safetensors").write_text("another")


def add_adapter(run: Run) -> None:
    # transformers loads an adapter that is beside a model, without being asked.
    shutil.copy(run.adapter / "adapter_config.json", run.model)


def lose(run: Run) -> None:
    (run.model / "config.json").unlink()


@pytest.mark.parametrize(
    ("change", "part", "words"),
    [
        (truncate, "weights", "model.safetensors has 693 bytes, was trained with 700"),
        (tamper, "weights", "model.safetensors has other content: SHA-256 "),
        (exchange_adapter, "adapter", "adapter_model.safetensors has other content"),
        (add_adapter, "weights", "adapter_config.json was not there after training"),
        (lose, "weights", "config.json is gone"),
        (lambda run: run.config.write_text(CONFIG), "configuration", "config.yaml is not the one"),
        (lambda run: Path("rows.jsonl").write_text("{}\n"), "data", "rows.jsonl has changed: 3 lines -> 1"),
        (lambda run: Path("base/config.json").write_text("[]"), "base model", "config.json has changed"),
        (lambda run: run.trained_files.write_text("[" * 10_000), "weights", "trained.json is broken"),
        (lambda run: run.trained_files.write_text('{"model": 3}'), "weights", "trained.json is broken"),
        (lambda run: run.trained_files.unlink(), "weights", "the run has no trained.json"),
        (lambda run: run.clearance.unlink(), "clearance", "it has no clearance"),
    ],
)
def test_whatever_differs_is_named_and_refused(
    change: Callable[[Run], object], part: str, words: str, run: Run
) -> None:
    change(run)
    found = verify_clearance(run.path)
    assert not found.fits
    assert [name for name, verdict in verdicts(found).items() if verdict == "fail"] == [part]
    assert words in message(found, part)


def test_a_clearance_of_another_run_does_not_prove_these_weights(run: Run) -> None:
    other = json.loads(run.clearance.read_text())
    run.clearance.write_text(json.dumps(other | {"made": "2026-01-01 00:00 UTC"}))
    found = verify_clearance(run.path)
    assert not found.fits and "that was another one" in message(found, "clearance")


def test_a_run_that_nobody_checked_is_refused_with_its_reason(run: Run) -> None:
    write_clearance(run, unchecked_run("a copy of last week's run", Fingerprint({}, {}, {}, "", {})))
    record(run)
    found = verify_clearance(run.path)
    assert not found.fits and "a copy of last week's run" in message(found, "clearance")


def test_inputs_that_are_on_another_machine_are_skipped_with_a_reason(run: Run) -> None:
    Path("rows.jsonl").unlink()
    shutil.rmtree("base")
    found = verify_clearance(run.path)
    assert found.fits
    assert verdicts(found) | {"data": "skip", "base model": "skip"} == verdicts(found)
    assert "not compared" in message(found, "data")


def test_without_any_weights_nothing_is_proved(run: Run) -> None:
    shutil.rmtree(run.model)
    shutil.rmtree(run.adapter)
    found = verify_clearance(run.path)
    assert not found.fits and verdicts(found)["weights"] == "skip"


def test_a_deployed_copy_is_compared_and_a_wrong_adapter_refused(run: Run, tmp_path: Path) -> None:
    served = shutil.copytree(run.adapter, tmp_path / "served")
    assert verify_clearance(run.path, model=served).fits
    (served / "adapter_model.safetensors").write_text("another")
    assert verdicts(verify_clearance(run.path, model=served))["adapter"] == "fail"
    assert verdicts(verify_clearance(run.path, model=shutil.copytree(run.model, tmp_path / "m")))["weights"] == "pass"


def test_a_model_with_its_own_clearance_beside_it_is_deployed_and_with_another_one_is_not(
    run: Run, tmp_path: Path
) -> None:
    promoted = shutil.copytree(run.model, tmp_path / "promoted")
    shutil.copy(run.clearance, promoted)
    clearance, _ = read_clearance(run)
    assert clearance is not None
    write_clearance(run, replace(clearance, served=[Served("a.gguf", Verdict.PASS, "now", "9 passed")]))
    assert verify_clearance(run.path, model=promoted).fits
    (promoted / run.clearance.name).write_text("{}")
    found = verify_clearance(run.path, model=promoted)
    assert not found.fits and verdicts(found)["clearance beside them"] == "fail"


def test_a_configuration_has_to_be_the_one_that_was_checked(run: Run) -> None:
    assert verify_clearance(run.path, config=load(Path("c.yaml"))).fits
    Path("c.yaml").write_text(CONFIG.replace("2.0e-5", "3.0e-5"))
    found = verify_clearance(run.path, config=load(Path("c.yaml")))
    assert message(found, "configuration") == "train.learning_rate was 2e-05, is 3e-05"
    Path("c.yaml").write_text(CONFIG.replace("rows.jsonl", "gone.jsonl"))
    found = verify_clearance(run.path, config=load(Path("c.yaml")))
    assert verdicts(found)["data"] == "fail", "data that were asked for have to be there"


def test_the_command_exits_with_1_and_writes_json(run: Run) -> None:
    done = CliRunner().invoke(main, ["clearance", "verify", "runs/x"])
    assert (done.exit_code, "is about these weights" in done.stdout) == (0, True), done.output
    tamper(run)
    done = CliRunner().invoke(main, ["clearance", "verify", "runs/x", "--json", "-"])
    figures = json.loads(done.stdout)
    assert (done.exit_code, figures["verdict"], figures["schema"]) == (1, "fail", 1)
    assert {one["part"]: one["verdict"] for one in figures["parts"]}["weights"] == "fail"
    done = CliRunner().invoke(main, ["clearance", "verify", "nowhere"])
    assert done.exit_code == 2 and "There is no run folder nowhere" in done.stderr
