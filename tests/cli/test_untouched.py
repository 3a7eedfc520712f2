"""A command that trains nothing reaches no hub, tracker or network, and writes into its run and its cache alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.demo import MODEL, TRAIN

Calls = list[str]

TEXT = f"""\
model: {{name: {MODEL}}}
data: {{train: rows.jsonl, holdout: 0.3, workers: 1}}
train: {{use_cpu: true, learning_rate: 0.05, per_device_train_batch_size: 2, num_train_epochs: 1, push_to_hub: true,
  hub_model_id: rosa/lamps, hub_strategy: all_checkpoints}}
check: {{trial_steps: 10, trial_eval_steps: 5, samples: 0, overfit_examples: 2, overfit_steps: 5,
  select: [config-rate-unusual, model-rate-critical, curve-rate-beaten, curve-diverged]}}
run: {{name: x, trackers: [wandb, tensorboard, trackio]}}
"""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Every call of a hub, a tracker or the network, by name; none is made."""
    import huggingface_hub
    import transformers
    from transformers.integrations import integration_utils

    made: Calls = []

    # What earlier tests have left running, such as a tracker's thread, is not the command.
    earlier = set(threading.enumerate()) - {threading.current_thread()}

    def recorded(name: str) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            if threading.current_thread() not in earlier:
                made.append(name)
            raise ConnectionError(name)

        return call

    for name in (
        "create_repo",
        "upload_folder",
        "upload_file",
        "create_commit",
        "repo_info",
        "create_branch",
        "whoami",
    ):
        monkeypatch.setattr(huggingface_hub.HfApi, name, recorded(name))
    for name in ("init_hf_repo", "_push_from_checkpoint", "push_to_hub"):
        monkeypatch.setattr(transformers.Trainer, name, recorded(name))
    for name in ("wandb", "tensorboard", "trackio"):
        monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, name, recorded(name))
    monkeypatch.setattr(socket.socket, "connect", recorded("connect"))
    monkeypatch.setattr(socket, "getaddrinfo", recorded("getaddrinfo"))
    return made


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Path:
    """A folder that is home and the current one."""
    rows = [line for line in TRAIN.read_text(encoding="utf-8").splitlines() if len(line) < 420][:60]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    (tmp_path / "run.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def written(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in files if path.parts[0] != "cache"}


COMMANDS = {
    "plan": (["plan", "run.yaml"], set()),
    "data": (["data", "run.yaml"], set()),
    "static": (["check", "run.yaml", "--level", "static"], set()),
    "trial": (["check", "run.yaml", "train.learning_rate=1e-3"], {"runs/x/clearance.json", "runs/x/proof.json"}),
    "page": (["check", "run.yaml", "--level", "static", "--html", "page.html"], {"page.html"}),
    "clean": (["check", "run.yaml", "--level", "static", "--write-clean", "clean"], {"clean/train.jsonl"}),
    "fix": (["check", "run.yaml", "--fix", "--level", "static"], {"run.yaml.bak"}),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_trains_nothing_reaches_nobody(name: str, home: Path, calls: Calls) -> None:
    words, allowed = COMMANDS[name]
    before = written(home)
    done = CliRunner().invoke(main, words)
    assert done.exit_code in (0, 1), done.output
    assert calls == []
    new = written(home) - before
    folders = {"clean/"} if name == "clean" else {"runs/x/"} if name == "trial" else set()
    assert all(file in allowed or any(file.startswith(folder) for folder in folders) for file in new), new
    if name == "trial":
        assert "Clearance: runs/x" in done.stderr, "the trial was made"


def test_the_run_itself_asks_the_hub(home: Path, calls: Calls) -> None:
    """The fakes are where a run would call them, so that their silence means something."""
    done = CliRunner().invoke(main, ["train", "run.yaml", "--unchecked", "a run that pushes", "train.max_steps=1"])
    assert "init_hf_repo" in calls
    assert done.exit_code == 2 and "Traceback" not in done.output, done.output
