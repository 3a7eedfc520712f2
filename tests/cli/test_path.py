"""A newcomer's path with a real model and real rows: init, data, plan, train, compare, chat."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sanetune.cli import main

RUN = ["train.max_steps=8", "train.eval_steps=4", "train.save_steps=4", "data.max_examples=200"]
RUN += ["run.trackers=[]", "train.per_device_train_batch_size=4", "train.use_cpu=true"]
# The deeper levels have tests of their own; here it is the path that counts.
RUN += ["check.level=static"]

NOISE = re.compile(r"Warning|warnings\.warn|it/s\]|\d+%\|| deprecated|Traceback|examples/s|UNEXPECTED|MISSING")
"""What transformers, trl and datasets print where they are not held back."""
ONE = re.compile(r"\b1 (rows|examples|packs|steps|tokens|epochs|times|batches|devices|messages|prompts)\b")


@pytest.fixture(scope="module")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


def typed(home: Path, words: list[str], stdin: str | None = None) -> Result:
    """What a terminal of 80 columns would show for a command; every screen keeps the same manners."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for name, value in {"SANETUNE_CACHE": str(home / "cache"), "COLUMNS": "80", "LINES": "40"}.items():
            patch.setenv(name, value)
        done = CliRunner().invoke(main, words, input=stdin, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert not NOISE.search(done.output), done.output
    assert not ONE.search(done.output), done.output
    return done


@pytest.mark.usefixtures("one_thread", "short_answers")
def test_the_path_of_a_newcomer(home: Path, shared: Path) -> None:
    model, data = shared / "models" / "stories260k", shared / "data" / "alpaca"
    done = typed(home, ["init", str(model), str(data)])
    assert done.stdout.splitlines()[0] == "Wrote sanetune.yaml"
    for command in ("data", "plan", "check", "train"):
        assert f"sanetune {command} sanetune.yaml" in done.stdout
    _data(home)
    _plan(home)
    _check(home)
    _train(home)
    _report(home)
    _train_an_adapter(home)
    _compare(home)
    _chat(home)


def _data(home: Path) -> None:
    from sanetune import api

    done = typed(home, ["data", "sanetune.yaml", *RUN, "-n", "2", "--json", "data.json"])
    assert max(map(len, done.stdout.splitlines())) <= 80
    figures = json.loads((home / "data.json").read_text())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(home / "cache"))
        trained = api.prepare(home / "sanetune.yaml", *RUN).train
    assert len(figures["examples"]) == 2
    assert figures["stats"]["train"]["examples"] == len(trained)
    for example, row in zip(figures["examples"], trained, strict=False):
        assert example["row"] == row["row"]
        assert example["ids"] == row["input_ids"]
        assert example["labels"] == row["labels"]
        assert "<|im_start|>" in example["text"]


def _plan(home: Path) -> None:
    done = typed(home, ["plan", "sanetune.yaml", *RUN])
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "this run" in done.stdout.split("Learning rate")[0], "the table's last column is cut off"
    assert "4 per device x" in done.stdout


def _check(home: Path) -> None:
    done = typed(home, ["check", "sanetune.yaml", *RUN, "--json", "check.json"])
    assert max(map(len, done.stdout.splitlines())) <= 80
    findings = json.loads((home / "check.json").read_text())["findings"]
    assert {one["verdict"] for one in findings} <= {"pass", "warn", "skip"}


def _report(home: Path) -> None:
    """Of a finished run: its settings with their origins, its versions."""
    done = typed(home, ["report", "runs/stories260k"])
    assert done.stdout == "Wrote runs/stories260k/report.html\n"
    page = (home / "runs" / "stories260k" / "report.html").read_text()
    for words in ("labels-disagree", "train.learning_rate", "transformers", "&lt;|im_start|&gt;"):
        assert words in page


def _train(home: Path) -> None:
    done = typed(home, ["train", "sanetune.yaml", *RUN])
    assert done.stdout == ""
    assert "Cleared at level static" in done.stderr
    assert "Checking" not in done.stderr, "the check has left a clearance"
    assert "validation loss" in done.stderr
    assert "sanetune chat runs/stories260k" in done.stderr.splitlines()[-1]
    run = home / "runs" / "stories260k"
    for name in ("config.yaml", "versions.json", "data.json", "metrics.jsonl", "samples.json", "plots/curves.png"):
        assert (run / name).is_file(), name
    for name in ("model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json", "README.md"):
        assert (run / "model" / name).is_file(), name


def _train_an_adapter(home: Path) -> None:
    done = typed(home, ["train", "sanetune.yaml", *RUN, "model.adapter=lora", "run.name=lora"])
    assert "Checking at level static first" in done.stderr
    assert "validation loss" in done.stderr
    assert (home / "runs" / "lora" / "model" / "model.safetensors").is_file()


def _compare(home: Path) -> None:
    prompt = "Convert [b]3 km[/b] to metres."
    words = ["compare", "runs/stories260k", "--prompt", prompt, "-n", "1", "--json", "compare.json"]
    done = typed(home, words)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert prompt in done.stdout
    assert "validation row" in done.stdout
    figures = json.loads((home / "compare.json").read_text())
    assert [pair["origin"] for pair in figures["pairs"]] == ["yours", "held-out"]
    losses = figures["validation_loss"]
    assert losses["tuned"] < losses["base"]
    assert (home / "runs" / "stories260k" / "comparison.json").is_file()


def _chat(home: Path) -> None:
    words = ["chat", "runs/stories260k", "--max-new-tokens", "12"]
    done = typed(home, words, "Hello?\n\n/new\nWho [b]are[/b] you?\n/exit\nnever read\n")
    lines = [line for line in done.stdout.splitlines() if line.startswith("you> ")]
    assert lines == ["you> Hello?", "you> ", "you> /new", "you> Who [b]are[/b] you?", "you> /exit"]
    assert "New conversation." in done.stdout
    assert done.stdout.splitlines()[3].strip(), "the answer to the first question"
