"""The hook of pre-commit and the template of GitLab call a command that exists, with options that it has."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.cli.ci import command
from sanetune.demo import MODEL, TRAIN

HOME = Path(__file__).resolve().parents[2]


def options(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("--")}


KNOWN = {one for parameter in command.params if isinstance(parameter, click.Option) for one in parameter.opts}


HOOKS = yaml.safe_load((HOME / ".pre-commit-hooks.yaml").read_text())


@pytest.mark.parametrize("hook", HOOKS, ids=[one["id"] for one in HOOKS])
def test_the_hook_runs_on_data_and_configurations_alone(hook: dict[str, Any]) -> None:
    program, name, *words = shlex.split(hook["entry"])
    assert (program, name, options(words) - KNOWN) == ("sanetune", command.name, set())
    assert main.get_command(click.Context(main), name) is not None
    files = re.compile(hook["files"])
    fitting = ("sanetune.yaml", "data/rows.jsonl", "a/b.parquet", "rows.json.gz", "chat.jinja", "c.yml", "t.csv")
    assert all(files.search(name) for name in fitting)
    assert not any(files.search(name) for name in ("train.py", "README.md", "jsonl/readme.txt"))
    assert hook["require_serial"] is True


def test_the_template_of_gitlab_checks_merge_requests_and_keeps_the_reports() -> None:
    (job,) = yaml.safe_load((HOME / "ci" / "gitlab.yml").read_text()).values()
    words = shlex.split(job["script"][-1])
    assert words[:2] == ["sanetune", "ci"] and not options(words) - KNOWN
    out = words[words.index("--out") + 1]
    assert job["artifacts"]["reports"]["codequality"] == f"{out}/codequality.json"
    assert out in job["artifacts"]["paths"] and job["artifacts"]["when"] == "always"
    assert "$CI_MERGE_REQUEST_DIFF_BASE_SHA" in words


@pytest.mark.skipif(shutil.which("bash") is None, reason="a runner's shell is needed")
@pytest.mark.parametrize("given", [{}, {"SANETUNE_CONFIG": "a b/*.yaml", "SANETUNE_BASELINE": "base line.json"}])
def test_the_template_of_gitlab_takes_patterns_and_a_baseline_as_one_word_each(
    given: dict[str, str], tmp_path: Path
) -> None:
    (job,) = yaml.safe_load((HOME / "ci" / "gitlab.yml").read_text()).values()
    assert all(job["variables"][name] == "" for name in ("SANETUNE_CONFIG", "SANETUNE_BASELINE"))
    words = {"CI_MERGE_REQUEST_DIFF_BASE_SHA": "abc", **job["variables"], **given}
    script = f"sanetune() {{ printf '%s\\n' \"$@\"; }}\n{job['script'][-1]}"
    env = {key: str(value) for key, value in words.items()} | {"PATH": os.environ["PATH"]}
    shown = subprocess.run(["bash", "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
    called = shown.stdout.splitlines()
    assert called[:5] == ["ci", "--since", "abc", "--level", "static"]
    more = [word for key, value in given.items() for word in (f"--{key.removeprefix('SANETUNE_').lower()}", value)]
    assert called[5:-4] == more


@pytest.mark.parametrize("word", ["-x", "--output=/tmp/a"])
def test_a_commit_is_no_option_of_git(word: str, tmp_path: Path) -> None:
    from sanetune.errors import RunError
    from sanetune.workflows.affected import changed_since

    with pytest.raises(RunError):
        changed_since(word.replace("/tmp", str(tmp_path)), HOME)
    assert not list(tmp_path.iterdir())


def test_two_files_of_one_name_have_reports_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.yaml", "a.yml", "b.yaml"):
        (tmp_path / name).write_text("model: {name: ./none}\ndata: {train: none.jsonl}\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["ci", "--out", "reports"])
    assert done.exit_code == 2, done.output
    found = {file.parent.relative_to("reports").as_posix() for file in Path("reports").rglob("report.json")}
    assert found == {"a.yaml", "a.yml", "b"}
    runs = json.loads(Path("reports/sanetune.sarif").read_text())["runs"]
    assert len({run["automationDetails"]["id"] for run in runs}) == 3, "GitHub refuses two of one id"


def test_a_file_that_is_not_there_is_said_to_be_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["ci", "rows.jsonk"])
    assert (done.exit_code, done.stdout) == (0, "No configuration is affected.\n")
    assert done.stderr == "There is no file rows.jsonk: it counts as deleted.\n"


def test_a_baseline_hides_nothing_of_another_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two"):
        Path(name).mkdir()
        Path(name, "c.yaml").write_text(
            f"model: {{name: {MODEL}}}\ndata: {{train: {TRAIN}, max_examples: 40}}\ntrain: {{learning_rate: 0.5}}\n"
            "check: {level: static, select: [config-rate-unusual], severity: {config-rate-unusual: fail}}\n"
        )
    Path("known").mkdir()
    check = ["check", "one/c.yaml", "--write-baseline", "known/one.json"]
    assert CliRunner().invoke(main, check).exit_code == 1
    done = CliRunner().invoke(main, ["ci", "--baseline", "known/one.json"])
    assert done.exit_code == 1 and "two/c.yaml:1: config-rate-unusual [fail]" in done.output, done.output
    assert "one/c.yaml:" not in done.output
