"""`sanetune train` behind its gate: what it starts with, what it refuses, what it says of a run that nobody checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main
from sanetune.evidence.experiments import SCHEMA
from tests.report import experiments_made
from tests.together import launch

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
EVIL = "a <b>copy</b> | *of* [mine](x)"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, short_answers: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sanetune.report.plots.draw", lambda *words, **named: None)
    rows = (DEMO / "data" / "train.jsonl").read_text().splitlines(keepends=True)[:40]
    Path("rows.jsonl").write_text("".join(rows))
    Path("c.yaml").write_text(
        f"model: {{name: {DEMO / 'model'}}}\ndata: {{train: rows.jsonl}}\n"
        "train: {max_steps: 2, learning_rate: 1.0e-3, per_device_train_batch_size: 2, "
        "gradient_accumulation_steps: 1, max_length: 300, save_strategy: steps, save_steps: 1, eval_steps: 1}\n"
        "check: {level: static, select: [rows, labels, config-rate-unusual]}\nrun: {name: x, trackers: []}\n"
    )


@pytest.fixture
def levels_checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The level of every check that was made."""
    from sanetune.workflows.check import run_checks

    levels = []

    def counted(*words: Any, **named: Any) -> Any:
        levels.append(named.get("level") or words[-1])
        return run_checks(*words, **named)

    for module in ("check", "clear"):
        monkeypatch.setattr(f"sanetune.workflows.{module}.run_checks", counted)
    return levels


def typed(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


RUN = Path("runs/x")


def test_a_checked_run_starts_at_once_and_its_card_names_the_clearance(levels_checked: list[str]) -> None:
    assert "Clearance: runs/x/clearance.json" in typed("check", "c.yaml", "--level", "static").stderr
    assert sorted(path.name for path in RUN.iterdir()) == ["clearance.json", "config.yaml"]
    typed("report", "runs/x")
    page = (RUN / "report.html").read_text()
    assert "<h1>Cleared at level static" in page, "a run has its page before its first step"
    assert "learning_rate" in page and 'id="training"' not in page
    done = typed("train", "c.yaml")
    assert levels_checked == ["static"], "not checked again"
    assert "Cleared at level static on 20" in done.stderr
    assert "**Cleared at level static on 20" in (RUN / "model" / "README.md").read_text()
    typed("report", "runs/x")
    page = (RUN / "report.html").read_text()
    assert "<h1>Cleared at level static" in page and "Checked on 20" in page
    assert 'id="experiments"' not in page and 'id="training"' in page and 'id="answers"' in page
    assert levels_checked == ["static"], "a page checks nothing"
    assert "is about these weights" in typed("clearance", "verify", "runs/x", "--config", "c.yaml").stdout
    cleared = json.loads((RUN / "clearance.json").read_text())
    experiments = experiments_made.full().to_json()
    stored = {"schema": SCHEMA, "made": cleared["made"], "level": "static", "proof": experiments}
    (RUN / "proof.json").write_text(json.dumps(stored))
    typed("report", "runs/x")
    page = (RUN / "report.html").read_text()
    assert 'id="experiment-trial"' in page and f"Made on {cleared['made']}, to clear the run." in page
    (RUN / "proof.json").write_text(json.dumps(stored | {"made": "another day"}))
    typed("report", "runs/x")
    page = (RUN / "report.html").read_text()
    assert 'id="experiments"' not in page and "proof.json is of another check than the clearance" in page


def test_without_a_clearance_it_is_checked_first_and_goes_on(levels_checked: list[str]) -> None:
    done = typed("train", "c.yaml")
    assert levels_checked == ["static"]
    assert "Checking at level static first:\n  it has no clearance" in done.stderr
    assert json.loads((RUN / "clearance.json").read_text())["verdict"] in ("pass", "warn")
    shutil.rmtree(RUN / "model")
    typed("train", "c.yaml", "--resume")
    assert levels_checked == ["static"], "a fitting clearance: gone on at once"


def test_a_changed_learning_rate_is_named_and_a_bad_one_refused_with_code_1(levels_checked: list[str]) -> None:
    typed("check", "c.yaml", "--level", "static")
    before = (RUN / "clearance.json").read_bytes()
    done = typed("train", "c.yaml", "train.learning_rate=5.0", code=1)
    assert "train.learning_rate was 0.001, is 5" in done.stderr
    assert "config-rate-unusual" in done.stderr
    assert "--unchecked" in done.stderr
    assert "Error: the gate refuses this run" in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in RUN.iterdir()) == ["clearance.json", "config.yaml"], "nothing was begun"
    assert (RUN / "clearance.json").read_bytes() == before


def test_changed_data_is_named_and_checked_again(levels_checked: list[str]) -> None:
    typed("check", "c.yaml", "--level", "static")
    with Path("rows.jsonl").open("a") as file:
        file.write((DEMO / "data" / "train.jsonl").read_text().splitlines(keepends=True)[50])
    assert "data rows.jsonl has changed: 40 lines -> 41" in typed("train", "c.yaml").stderr
    assert levels_checked == ["static", "static"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--select", "rows"], "left checks out"),
        (["--ignore", "rows-secrets"], "left checks out"),
        (["check.level=probe"], "check.level asks for probe"),
    ],
)
def test_a_lesser_check_leaves_no_clearance_and_says_why(more: list[str], words: str) -> None:
    done = typed("check", "c.yaml", "--level", "static", *more)
    assert words in done.stderr
    assert not RUN.exists()


def test_a_file_that_changes_while_it_is_checked_is_not_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    from sanetune.workflows.check import run_checks

    def changed(*words: Any, **named: Any) -> Any:
        found = run_checks(*words, **named)
        with Path("rows.jsonl").open("a") as file:
            file.write("\n")
        return found

    monkeypatch.setattr("sanetune.workflows.check.run_checks", changed)
    assert "rows.jsonl was changed during the check" in typed("check", "c.yaml", "--level", "static").stderr
    assert not RUN.exists()


def test_a_check_that_fails_takes_the_clearance_back(monkeypatch: pytest.MonkeyPatch) -> None:
    typed("check", "c.yaml", "--level", "static")
    limits = "check.severity.labels-scarce=fail"
    typed("check", "c.yaml", "--level", "static", limits)
    from sanetune.checks.labels import scarce
    from sanetune.finding import failed

    typed("check", "c.yaml", "--level", "static", "train.learning_rate=5.0", code=1)
    assert (RUN / "clearance.json").is_file(), "it was about another rate"
    with monkeypatch.context() as patch:
        from sanetune.gate.catalogue import catalogue

        catalogue.cache_clear()
        patch.setattr(scarce, "judge", lambda m, limits: failed("too few"))
        done = typed("check", "c.yaml", "--level", "static", limits, code=1)
    catalogue.cache_clear()
    assert "withdrawn" in done.stderr
    assert not (RUN / "clearance.json").exists()


def test_a_finished_run_keeps_the_clearance_that_it_was_trained_with() -> None:
    typed("train", "c.yaml")
    before = (RUN / "clearance.json").read_bytes()
    done = typed("check", "c.yaml", "--level", "static", "train.learning_rate=2.0e-3")
    assert "keeps the clearance" in done.stderr
    assert (RUN / "clearance.json").read_bytes() == before


def test_a_folder_that_is_no_run_gets_no_clearance() -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    done = typed("check", "c.yaml", "--level", "static", "run.output_dir=mine")
    assert "not a run folder" in done.stderr
    assert [path.name for path in Path("mine").iterdir()] == ["notes.txt"]


def test_a_broken_clearance_is_none_and_said(levels_checked: list[str]) -> None:
    RUN.mkdir(parents=True)
    (RUN / "clearance.json").write_text('{"verdict": "pass", "level": "trial"}')
    done = typed("train", "c.yaml")
    assert "clearance.json is broken and proves nothing" in done.stderr
    assert levels_checked == ["static"]


def test_one_of_a_lower_level_or_with_a_check_missing_does_not_do(levels_checked: list[str]) -> None:
    typed("check", "c.yaml", "--level", "static")
    file = RUN / "clearance.json"
    content = json.loads(file.read_text())
    content["findings"] = [one for one in content["findings"] if one["check"] != "labels-none"]
    file.write_text(json.dumps(content))
    assert "labels-none was not among its checks" in typed("train", "c.yaml").stderr
    assert levels_checked == ["static", "static"]
    from sanetune.config.load import load
    from sanetune.gate.clearance_file import read_clearance
    from sanetune.runs import Run
    from sanetune.workflows.clear import misfits

    found, _ = read_clearance(Run(RUN))
    assert found is not None
    wanted = load("c.yaml", ["check.level=trial"])
    assert misfits(wanted, found, found.fingerprint) == ["it is of level static, and check.level asks for trial"]


def test_unchecked_trains_and_heading_card_page_and_file_say_so(levels_checked: list[str]) -> None:
    done = typed("train", "c.yaml", "train.learning_rate=5.0", "--unchecked", EVIL)
    assert levels_checked == []
    assert f"Not checked: {EVIL}" in done.stderr
    content = json.loads((RUN / "clearance.json").read_text())
    assert (content["verdict"], content["unchecked"], content["findings"]) == ("unchecked", EVIL, [])
    card = (RUN / "model" / "README.md").read_text()
    assert r"**Not checked: a \<b\>copy\</b\> \| \*of\* \[mine\](x)**" in card
    typed("report", "runs/x")
    page = (RUN / "report.html").read_text()
    assert "<h1>Not checked</h1>" in page and "Trained without a check: a &lt;b&gt;copy&lt;/b&gt;" in page
    assert "<b>copy" not in page and ">Clear" not in page and 'id="check-' not in page


@pytest.mark.parametrize("reason", ["", "  ", "-"])
def test_an_empty_reason_is_code_2_before_anything_is_done(reason: str, levels_checked: list[str]) -> None:
    done = typed("train", "c.yaml", "--unchecked", reason, code=2)
    assert "the reason to train unchecked is empty" in done.stderr
    assert not RUN.exists()
    assert levels_checked == []


def test_a_run_that_trains_unchecked_is_resumed_so_and_not_started_so_again(levels_checked: list[str]) -> None:
    typed("train", "c.yaml", "--unchecked", "a copy of last week's run")
    shutil.rmtree(RUN / "model")
    done = typed("train", "c.yaml", "--resume")
    assert "Not checked: a copy of last week's run" in done.stderr
    assert levels_checked == []
    for folder in ("model", "checkpoints"):
        shutil.rmtree(RUN / folder)
    done = typed("train", "c.yaml")
    assert "nothing was checked so far: a copy of last week's run" in done.stderr
    assert levels_checked == ["static"]


def test_in_python_a_refusal_is_an_error_and_a_reason_goes_through() -> None:
    import sanetune
    from sanetune.finding import GateError

    with pytest.raises(GateError, match="config-rate-unusual"):
        sanetune.train("c.yaml", "train.learning_rate=5.0")
    trained = sanetune.train("c.yaml", "train.learning_rate=5.0", unchecked="to see it diverge")
    assert trained.clearance is not None
    assert not trained.clearance.proves


def test_a_run_computes_the_same_whether_it_was_cleared_before_or_now() -> None:
    losses: list[list[float]] = []
    for name in ("now", "before"):
        if name == "before":
            typed("check", "c.yaml", "--level", "static", f"run.name={name}")
        typed("train", "c.yaml", f"run.name={name}")
        lines = Path("runs", name, "metrics.jsonl").read_text().splitlines()
        losses.append([json.loads(line)["loss"] for line in lines])
    assert losses[0] == losses[1]


def test_the_job_below_the_gate_leaves_no_results_behind() -> None:
    from sanetune.config.load import load
    from sanetune.report.run_files import RunFiles
    from sanetune.workflows.train import train

    typed("check", "c.yaml", "--level", "static")
    assert train(load("c.yaml"), publish=RunFiles()).clearance is None
    assert not (RUN / "clearance.json").exists()
    assert "## Clearance" not in (RUN / "model" / "README.md").read_text()


def test_of_two_processes_the_main_one_decides_and_the_other_follows() -> None:
    """First a run that is refused, then one that is cleared."""
    said = launch("tests.cli.two_cleared", ACCELERATE_USE_CPU="true")
    assert said.count("Checking at level static first") == 2, "the main process alone speaks"
    (refused, first), (refused_too, second) = (Path(f"said-{rank}").read_text().split("\n") for rank in range(2))
    assert refused == refused_too == "GateError"
    assert not Path("runs/y").exists()
    assert first.startswith("cleared at level static")
    assert (first.split()[-1], second.split()[-1]) == ("True", "False"), "one writes"
    assert first.split()[:-1] == second.split()[:-1]
    assert json.loads((RUN / "clearance.json").read_text())["fingerprint"]["configuration"]["run.devices"] == 2


@pytest.mark.parametrize("taken", ["--resume", "train.learning_rate=1e-4"])
def test_an_option_or_override_is_not_taken_for_the_reason(taken: str) -> None:
    done = typed("train", "c.yaml", "--unchecked", taken, code=2)
    assert f"--unchecked needs a reason, not '{taken}'" in done.stderr
