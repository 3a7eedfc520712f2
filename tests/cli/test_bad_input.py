"""Bad input through the command line: what happened, why it matters, what to do, where; exit code 2, and nothing
half-written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main
from sanetune.engine import checkpoints
from sanetune.engine.metrics import read

ROOT = Path(__file__).resolve().parents[2]
CHATML = "chat_template: chatml"


def row(*messages: tuple[str, str]) -> bytes:
    turns = [{"role": role, "content": content} for role, content in messages]
    return json.dumps({"messages": turns}, ensure_ascii=False).encode() + b"\n"


GOOD = row(("user", "Hello"), ("assistant", "Hello there"))
OTHERS = b"".join(row(("user", f"What is {n}?"), ("assistant", f"It is {n}.")) for n in range(12))


@dataclass(frozen=True)
class Case:
    """A folder with rows and a configuration, what is typed, and the words that the message must have."""

    name: str
    words: list[str]
    rows: bytes | None = OTHERS
    model: str = "MODEL"
    more_model: str = CHATML
    train: str = "max_steps: 2"
    config: bytes | None = b""
    """The whole file; empty: built from the parts above; None: there is none."""
    overrides: list[str] = field(default_factory=list)


CASES = [
    Case("missing file", ["rows.jsonl: no such file", "There is nothing", "data.train"], None),
    Case("empty file", ["rows.jsonl: the file is empty", "nothing to train on", "another file"], b""),
    Case("blank lines only", ["rows.jsonl: the file has no rows", "nothing to train on", "another file"], b"\n \n"),
    Case(
        "a broken line among good ones",
        ["rows.jsonl:3", "1 of 14 lines cannot be read", "line 3", "skipped", "Correct or delete"],
        GOOD + GOOD + b'{"messages": [\n' + OTHERS[: OTHERS.index(b"\n") + 1] * 11,
    ),
    Case(
        "wrong encoding",
        ["rows.jsonl:2", "UTF-8", "iconv -f"],
        GOOD + row(("user", "Grüße"), ("assistant", "Schön")).decode().encode("latin-1"),
    ),
    Case("UTF-16", ["rows.jsonl:1", "looks like UTF-16", "iconv -f UTF-16 -t UTF-8"], GOOD.decode().encode("utf-16")),
    Case(
        "no assistant's answer",
        ["rows.jsonl: none of 3 rows holds an assistant's answer", "No token would be in the loss", "data.fields"],
        row(("user", "Hello")) * 3,
    ),
    Case(
        "unknown role",
        [
            "rows.jsonl:2, row 1, message 1",
            "unknown role 'asistant'",
            "depends on their roles",
            "Did you mean assistant",
        ],
        GOOD + row(("user", "Hello"), ("asistant", "Hello there")),
    ),
    Case(
        "no chat template",
        ["no chat template", "Base models come without one", "model.chat_template: chatml", "FILE.jinja"],
        more_model="dtype: null",
    ),
    Case(
        "model without weights",
        ["WEIGHTLESS has no weights", "model.safetensors", "empty architecture", "correct model.name"],
        model="WEIGHTLESS",
    ),
    Case("no such folder", ["There is no model folder", "owner/name", "Set model.name"], model="./models/none"),
    Case("not an id", ["There is no model folder no such!", "owner/name", "Set model.name"], model="no such!"),
    Case(
        "an id without a model",
        ["The model nobody/none-such is not a folder here", "nothing to train", "Check model.name"],
        model="nobody/none-such",
    ),
    Case(
        "unknown key",
        ["c.yaml:7", "no key 'train.learning_rat'", "would be ignored", "Did you mean train.learning_rate?"],
        train="learning_rat: 1e-4",
    ),
    Case(
        "unknown key in an override",
        ["no key 'train.learning_rat'", "would be ignored", "Did you mean train.learning_rate?"],
        overrides=["train.learning_rat=1e-4"],
    ),
    Case(
        "wrong type",
        ["c.yaml:7", "train.learning_rate is 'fast'", "cannot be used", "Give learning_rate a number"],
        train="learning_rate: fast",
    ),
    Case(
        "max_length below every row",
        ["rows.jsonl", "max_length is 3 tokens", "no row is left", "dropped whole", "Raise train.max_length"],
        train="max_length: 3",
    ),
    Case("no configuration", ["c.yaml", "there is no configuration file", "sanetune init MODEL DATA"], config=None),
    Case("not YAML", ["c.yaml:2", "no valid YAML", "Check indentation"], config=b"model: [x\n"),
    Case("not text", ["c.yaml", "Give the YAML file"], config=b"\0\1\2"),
    Case("a list", ["c.yaml:1", "is a list", "It needs sections", "sanetune init MODEL DATA"], config=b"- a\n- b\n"),
    Case("an empty configuration", ["c.yaml", "is empty", "sanetune init MODEL DATA"], config=b"\n"),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a cache of its own and no Hub."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def written(case: Case, place: Path, shared: Path) -> None:
    """The case's files."""
    tiny = shared / "models" / "stories260k"
    if case.rows is not None:
        (place / "rows.jsonl").write_bytes(case.rows)
    if case.model == "WEIGHTLESS":
        ignored = shutil.ignore_patterns("*.safetensors")
        shutil.copytree(tiny, place / case.model, ignore=ignored)
    if case.config is not None:
        name = {"MODEL": str(tiny), "WEIGHTLESS": "./WEIGHTLESS"}.get(case.model, case.model)
        text = f"model:\n  name: {name}\n  {case.more_model}\ndata:\n  train: rows.jsonl\ntrain:\n  {case.train}\n"
        (place / "c.yaml").write_bytes(case.config or text.encode())


def unfinished(cache: Path) -> list[str]:
    """What is in the cache beside finished preparations."""
    folders = [path for kind in ("examples", "splits") for path in (cache / kind).glob("*")]
    return [path.name for path in folders if path.name.startswith(".") or not list(path.glob("*.arrow"))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_a_message_and_leaves_nothing_half_written(case: Case, place: Path, shared: Path) -> None:
    written(case, place, shared)
    before = sorted(place.rglob("*"))
    done = CliRunner().invoke(main, ["train", "c.yaml", *case.overrides])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    message = done.stderr[done.stderr.index("Error: ") :]
    for words in case.words:
        assert words in message
    assert len(message.strip().splitlines()) >= 3, f"what, why and what to do: {message}"
    assert done.stdout == ""
    assert sorted(place.rglob("*")) == before
    assert unfinished(place.parent / "cache") == []


@pytest.mark.parametrize("command", ["data", "plan"])
def test_data_and_plan_say_the_same_as_train(command: str, place: Path, shared: Path) -> None:
    for case in CASES:
        if case.name in ("empty file", "no chat template", "no such folder", "max_length below every row"):
            written(case, place, shared)
            done = CliRunner().invoke(main, [command, "c.yaml"])
            assert done.exit_code == 2, done.output
            assert all(words in done.stderr for words in case.words)


def test_a_run_folder_that_is_none_is_a_message(place: Path) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "notes.txt").write_text("mine")
    for command in ("compare", "chat"):
        for name in ("none", "mine"):
            done = CliRunner().invoke(main, [command, name])
            assert (done.exit_code, "sanetune train" in done.stderr) == (2, True), done.output
    assert [path.name for path in place.rglob("*")] == ["mine", "notes.txt"]


def test_compare_and_chat_of_an_unfinished_run_say_how_to_finish_it(place: Path) -> None:
    (place / "run").mkdir()
    (place / "run" / "config.yaml").write_text("model:\n  name: x\n")
    for saved in (False, True):
        if saved:
            (place / "run" / "checkpoints" / "checkpoint-4").mkdir(parents=True)
        for command in ("compare", "chat"):
            done = CliRunner().invoke(main, [command, "run"])
            assert (done.exit_code, "--resume" in done.stderr) == (2, saved), done.output


@pytest.fixture
def six(place: Path, shared: Path, one_thread: None, short_answers: None) -> Path:
    """A configuration of six steps with a checkpoint at every second; answers are short."""
    (place / "rows.jsonl").write_bytes(OTHERS)
    train = "{max_steps: 6, save_strategy: steps, save_steps: 2, eval_strategy: 'no', load_best_model_at_end: false, "
    train += "per_device_train_batch_size: 2, gradient_accumulation_steps: 1, use_cpu: true}"
    name = shared / "models" / "stories260k"
    text = f"model: {{name: '{name}', {CHATML}}}\ndata: {{train: rows.jsonl, holdout: 0}}\ntrain: {train}\n"
    (place / "c.yaml").write_text(text + "run: {name: six, trackers: []}\n")
    return place / "runs" / "six"


UNCHECKED = ["--unchecked", "twelve rows that show how a run is stopped and resumed"]


def resumed(run: Path) -> Result:
    done = CliRunner().invoke(main, ["train", "c.yaml", "--resume"])
    assert done.exit_code == 0, done.output
    assert (run / "model" / "model.safetensors").is_file()
    assert (run / "samples.json").is_file()
    return done


def test_a_disk_that_fills_keeps_the_last_good_checkpoint_and_resume_finishes(
    six: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sanetune.engine.trl.trainer import Trainer

    original: Callable[..., None] = Trainer._save_optimizer_and_scheduler

    def full(self: Any, folder: str) -> None:
        if self.state.global_step == 4:
            raise OSError(28, "No space left on device")
        original(self, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_optimizer_and_scheduler", full)
        done = CliRunner().invoke(main, ["train", "c.yaml", *UNCHECKED])
    assert done.exit_code == 2, done.output
    assert "The disk is full: checkpoint-4" in done.stderr
    assert "checkpoint-2" in done.stderr
    assert "--resume" in done.stderr
    assert "Traceback" not in done.output
    assert [path.name for path in (six / "checkpoints").iterdir()] == ["checkpoint-2"]
    assert checkpoints.latest(six / "checkpoints") == six / "checkpoints" / "checkpoint-2"
    assert not (six / "model").exists()
    resumed(six)
    steps = [record.step for record in read(six / "metrics.jsonl") if record.kind == "train"]
    assert steps == sorted(set(steps))
    assert steps[-1] == 6


def test_ctrl_c_leaves_a_checkpoint_and_resume_finishes(six: Path, place: Path) -> None:
    # Long enough that the signal arrives while it trains, however fast the machine is.
    many = ["train.max_steps=2000", "train.save_steps=1000", "train.logging_steps=1"]
    command = [sys.executable, "-m", "sanetune", "train", "c.yaml", *many, *UNCHECKED]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=place) as process:
        said: list[str] = []
        assert process.stderr is not None
        listening = threading.Thread(target=lambda: said.extend(process.stderr))  # type: ignore[arg-type]
        listening.start()
        metrics = six / "metrics.jsonl"
        for _ in range(1200):
            if process.poll() is not None or (metrics.is_file() and metrics.read_bytes().count(b"\n")):
                break
            threading.Event().wait(0.1)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()
        listening.join()
    words = "".join(said)
    assert process.returncode == 130, words
    assert "Traceback" not in words
    assert "go on with: sanetune train c.yaml train.max_steps=2000" in words and "--resume" in words
    stopped = checkpoints.latest(six / "checkpoints")
    assert stopped is not None
    assert not (six / "model").exists()
    step = checkpoints.step_of(stopped)
    assert step is not None
    end = f"train.max_steps={step + 2}"
    done = CliRunner().invoke(main, ["train", "c.yaml", end, "--resume", *UNCHECKED])
    assert done.exit_code == 0, done.output
    assert (six / "model" / "model.safetensors").is_file()
    assert [record.step for record in read(metrics) if record.kind == "train"][-1] == step + 2
