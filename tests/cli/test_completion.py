"""Shells complete commands, options, keys of the configuration and names of checks, without importing what is slow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sanetune.cli import complete_check
from sanetune.gate.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[2]


def completed(*words: str, shell: str = "bash_complete") -> list[str]:
    code = "import sys; from sanetune.cli import main; main(prog_name='sanetune')"
    typed = {"COMP_WORDS": " ".join(["sanetune", *words]), "COMP_CWORD": str(len(words))}
    environment = {**os.environ, **typed, "_SANETUNE_COMPLETE": shell, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert not imported & {"torch", "trl", "transformers"}, "slow"
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["tra"], ["train"]),
        (["train", "a.yaml", "--res"], ["--resume"]),
        (["train", "a.yaml", "train.learn"], ["train.learning_rate="]),
        (["explain", "config-tracker"], ["config-tracker-blocked"]),
        (["check", "a.yaml", "--select", "labels-dis"], ["labels-disagree"]),
        (["clearance", "ver"], ["verify"]),
        (["clearance", "verify", "runs/x", "--mod"], ["--model"]),
        (["ci", "--si"], ["--since"]),
        (["data", "a.yaml", "--export", "open"], ["openai"]),
        (["doc"], ["doctor"]),
    ],
)
def test_a_word_is_completed(words: list[str], found: list[str]) -> None:
    assert found[0] in completed(*words)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(shell: str) -> None:
    environment = {**os.environ, "_SANETUNE_COMPLETE": f"{shell}_source", "PYTHONPATH": str(ROOT)}
    code = "from sanetune.cli import main; main(prog_name='sanetune')"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "_SANETUNE_COMPLETE" in done.stdout


def test_every_check_is_completed_and_nothing_else() -> None:
    names = set(complete_check(None, None, ""))  # type: ignore[arg-type]
    assert set(catalogue()) <= names
    families = {name.split("-")[0] for name in catalogue()}
    assert names - set(catalogue()) == families
