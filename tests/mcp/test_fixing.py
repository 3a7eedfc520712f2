"""The tool fix with values that an agent gives: whole or not at all, with a backup, comments kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.errors import ConfigError, UserError
from sanetune.mcp.call import Call
from sanetune.mcp.fixing import fix
from sanetune.mcp.progress import ProgressFile
from sanetune.mcp.replies import FixReply
from sanetune.mcp.roots import Roots

TEXT = """\
model: {name: model}  # the small one
data:
  train: rows.jsonl
train:
  learning_rate: 0.5  # from the other project
  evaluation_strategy: steps
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    (tmp_path / "home" / "sanetune.yaml").write_text(TEXT)
    (tmp_path / "home" / "rows.jsonl").write_text("")
    return tmp_path / "home"


def call(home: Path, **arguments: object) -> FixReply:
    given = {"config": "sanetune.yaml", **arguments}
    return fix(Call(home.parent, given, Roots([home]), ProgressFile(home.parent / "progress.json")))


def test_values_are_written_with_a_backup_and_the_old_name_of_a_key_goes(home: Path) -> None:
    done = call(home, changes={"train.learning_rate": 1e-4, "train.eval_strategy": "steps", "run.name": "second"})
    text = (home / "sanetune.yaml").read_text()
    assert "# the small one" in text and "from the other project" in text
    assert "evaluation_strategy" not in text and "eval_strategy: steps" in text
    assert Path(done.backup).read_text() == TEXT
    assert {one.key: (one.before, one.after) for one in done.changes} == {
        "train.learning_rate": (0.5, 1e-4),
        "train.eval_strategy": (None, "steps"),
        "run.name": (None, "second"),
        "train.evaluation_strategy": ("steps", None),
    }
    assert "-  learning_rate: 0.5" in done.diff
    assert [step.tool for step in done.next] == ["check"]


def test_keys_are_deleted_so_that_a_file_with_an_unknown_one_can_be_used_again(home: Path) -> None:
    (home / "sanetune.yaml").write_text(TEXT.replace("learning_rate:", "learning_rat:"))
    done = call(home, changes={"train.learning_rate": 1e-4}, remove=["train.learning_rat"])
    assert "learning_rat:" not in (home / "sanetune.yaml").read_text()
    assert Path(done.backup).is_file()


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"train.learning_rate": -1}, ConfigError, "sanetune.yaml"),
        ({"train.learning_rat": 1e-4}, ConfigError, "learning_rate"),
        ({"data.train": "../outside.jsonl"}, UserError, "outside of the folders"),
        ({"run.output_dir": "/tmp/elsewhere"}, UserError, "outside of the folders"),
        ({"model.trust_remote_code": True, "model.revision": "a" * 40}, ConfigError, "refused for an agent"),
    ],
)
def test_a_value_that_cannot_be_used_changes_nothing(
    home: Path, changes: dict[str, object], kind: type[UserError], said: str
) -> None:
    with pytest.raises(kind) as refused:
        call(home, changes=changes)
    assert said in str(refused.value) and ".candidate" not in str(refused.value)
    assert (home / "sanetune.yaml").read_text() == TEXT
    assert sorted(file.name for file in home.iterdir()) == ["rows.jsonl", "sanetune.yaml"]


def test_a_copy_is_not_cleaned_where_it_would_lose_the_weights_of_sources(home: Path) -> None:
    text = TEXT.replace("train: rows.jsonl", "train: [{path: rows.jsonl, weight: 2.0}]")
    (home / "sanetune.yaml").write_text(text)
    with pytest.raises(ConfigError, match="in part or several times"):
        call(home, clean="cleaned")
    assert not (home / "cleaned").exists()


def test_a_tracker_of_the_file_stays_and_none_is_added(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.trackers: an agent may not add 'wandb'"):
        call(home, changes={"run.trackers": ["wandb"]})
    own = TEXT.replace("learning_rate:", "learning_rat:") + "run:\n  trackers: [wandb]\n"
    (home / "sanetune.yaml").write_text(own)
    assert call(home, remove=["train.learning_rat"]).changes
