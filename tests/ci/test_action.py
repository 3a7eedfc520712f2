"""The action, run the way a runner runs it: its steps, with the environment, the event and the files of GitHub."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HOME = Path(__file__).resolve().parents[2]
DEMO = HOME / "sanetune" / "demo"
ROWS = (DEMO / "data" / "train.jsonl").read_text().splitlines(keepends=True)[:60]
# A row that fails and a message that would be a command, a table and a link, if anything let it.
EVIL = {"messages": [{"role": "user", "content": "::error::x | <b>a</b> [l](http://x) \r\n::stop-commands::y"}]}
CONFIG = """\
model: {{name: {model}}}
data: {{train: {data}}}
check: {{level: static, select: [rows-roles, rows-duplicated], severity: {{rows-roles: fail}}}}
"""


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two configurations, on a branch that changes the data of one."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "rows.jsonl").write_text("".join(ROWS))
        (folder / name / "sanetune.yaml").write_text(CONFIG.format(model=DEMO / "model", data="rows.jsonl"))
    (folder / "other.yaml").write_text("model: x\nservices: {}\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "checkout", "-qb", "change")
    faulty = [*ROWS[:40], *(json.dumps(EVIL) + "\n" for _ in range(20)), *ROWS[40:]]
    (folder / "two" / "rows.jsonl").write_text("".join(faulty))
    git(folder, "commit", "-qam", "second")
    return folder


class Runner:
    """What of a runner the action needs: inputs, outputs, conditions and environment of composite steps."""

    def __init__(self, workspace: Path, temp: Path, event: dict[str, Any]) -> None:
        self.files = {name: temp / name for name in ("output", "summary", "event")}
        self.files["event"].write_text(json.dumps(event))
        self.outputs: dict[str, str] = {}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "COV_"))},
            "GITHUB_ACTION_PATH": str(HOME),
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_EVENT_PATH": str(self.files["event"]),
            "GITHUB_OUTPUT": str(self.files["output"]),
            "GITHUB_STEP_SUMMARY": str(self.files["summary"]),
            "RUNNER_TEMP": str(temp),
            "CI": "true",
            "PYTHONPATH": str(HOME),
            "OMP_NUM_THREADS": "1",
            "SANETUNE_CACHE": str(temp / "cache"),
        }

    def run(self, **inputs: str) -> tuple[int, str]:
        action = yaml.safe_load((HOME / "action.yml").read_text())
        given = {name: one.get("default", "") for name, one in action["inputs"].items()} | inputs
        code, said, artefacts = 0, "", []
        for step in action["runs"]["steps"]:
            if code and "always()" not in step.get("if", ""):
                continue
            if step.get("if") == "inputs.install != ''" and not given["install"]:
                continue
            if "uses" in step:
                artefacts.append(self._filled(step["with"]["path"], given))
                continue
            values = {name: self._filled(value, given) for name, value in step["env"].items()}
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                env=self.environment | values,
                cwd=self.environment["GITHUB_WORKSPACE"],
                capture_output=True,
                text=True,
                check=False,
            )
            code, said = code or done.returncode, said + done.stdout + done.stderr
            if self.files["output"].is_file():
                lines = self.files["output"].read_text().splitlines()
                self.outputs |= {
                    f"{step['id']}.{name}": value for name, _, value in (one.partition("=") for one in lines)
                }
        assert artefacts == [self.outputs["check.reports"]]
        return code, said

    def _filled(self, text: str, inputs: dict[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            part, _, name = found[1].partition(".")
            return (
                inputs[name]
                if part == "inputs"
                else self.outputs[found[1].replace("steps.", "").replace(".outputs", "")]
            )

        return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", value, text)


@pytest.fixture(scope="module")
def request_made(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Runner]:
    event = {"pull_request": {"base": {"sha": git(repository, "rev-parse", "main")}}}
    runner = Runner(repository, tmp_path_factory.mktemp("runner"), event)
    return *runner.run(install="", python=sys.executable), runner


def test_a_pull_request_is_annotated_on_the_lines_of_its_data(request_made: tuple[int, str, Runner]) -> None:
    code, said, _ = request_made
    assert code == 1, said
    commands = [line for line in said.splitlines() if line.startswith("::")]
    first = "::error file=two/rows.jsonl,line=41,title=rows-roles::Of 80 conversations"
    assert sum(one.startswith(first) for one in commands) == 1, said
    assert all(
        re.match(r"::(error|warning) file=two/rows\.jsonl,line=(4[1-9]|5\d|60),title=rows-", one) for one in commands
    )


def test_only_the_configuration_that_it_affects_is_checked(request_made: tuple[int, str, Runner]) -> None:
    _, said, runner = request_made
    assert "one/" not in said
    folder = Path(runner.outputs["check.reports"])
    assert sorted(path.name for path in folder.iterdir()) == ["codequality.json", "sanetune.sarif", "two"]
    assert runner.outputs["check.exit-code"] == "1"


def test_the_summary_shows_what_was_found_and_nothing_in_it_steers_the_page(
    request_made: tuple[int, str, Runner],
) -> None:
    text = request_made[2].files["summary"].read_text()
    assert "1 file changed; 1 configuration affected and checked. 1 left out" in text
    assert "| two/sanetune.yaml | refused | " in text
    assert "- two/rows.jsonl:41: " in text
    assert "<b>" not in text.replace("\\<b\\>", "") and "[l](" not in text


def test_sarif_and_code_quality_have_the_same_lines(request_made: tuple[int, str, Runner]) -> None:
    folder = Path(request_made[2].outputs["check.reports"])
    runs = json.loads((folder / "sanetune.sarif").read_text())["runs"]
    assert [run["automationDetails"]["id"] for run in runs] == ["sanetune/two/sanetune/"]
    marked = [one["locations"][0]["physicalLocation"] for one in runs[0]["results"]]
    issues = json.loads((folder / "codequality.json").read_text())
    lines = [(one["location"]["path"], one["location"]["lines"]["begin"]) for one in issues]
    assert lines == [(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in marked]
    rows = Path(request_made[2].environment["GITHUB_WORKSPACE"], "two/rows.jsonl").read_text().splitlines()
    assert lines and all(json.loads(rows[line - 1]) == EVIL for _, line in lines), "the data's own lines"
    assert {one["severity"] for one in issues} <= {"critical", "minor"}
    assert len({one["fingerprint"] for one in issues}) == len(issues), "GitLab shows one of those that are the same"


def test_a_clean_configuration_passes_and_its_clearance_is_kept(repository: Path, tmp_path: Path) -> None:
    runner = Runner(repository, tmp_path, {"action": "workflow_dispatch"})
    code, said = runner.run(install="", python=sys.executable, config="one/*.yaml\n")
    assert code == 0, said
    folder = Path(runner.outputs["check.reports"], "one/sanetune")
    assert json.loads((folder / "clearance.json").read_text())["level"] == "static"
    assert json.loads((folder / "report.json").read_text())["verdict"] in ("pass", "warn")


def test_a_pull_request_that_touches_nothing_of_ours_passes_at_once(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    runner = Runner(repository, tmp_path, {"pull_request": {"base": {"sha": head}}})
    code, said = runner.run(install="", python=sys.executable)
    assert (code, "No configuration is affected." in said) == (0, True)
    assert "0 configurations affected" in runner.files["summary"].read_text()


def test_no_file_of_a_pull_request_is_imported(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repository), "clone")
    for name in ("json.py", "pip.py", "sanetune.py", "click.py"):
        (tmp_path / "clone" / name).write_text("raise SystemExit('imported')")
    runner = Runner(
        tmp_path / "clone", tmp_path, {"pull_request": {"base": {"sha": git(repository, "rev-parse", "HEAD")}}}
    )
    code, said = runner.run(install="", python=sys.executable)
    assert (code, "imported" in said, "No configuration is affected." in said) == (0, False, True), said
    pip = {"INSTALL": "--version", "PYTHON": sys.executable}
    done = subprocess.run(
        ["bash", str(HOME / "ci/install.sh")], env=runner.environment | pip, cwd=tmp_path / "clone",
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "imported" not in done.stdout + done.stderr


def test_a_commit_that_was_not_fetched_ends_the_job_with_what_to_do(repository: Path, tmp_path: Path) -> None:
    runner = Runner(repository, tmp_path, {"pull_request": {"base": {"sha": "1" * 40}}})
    code, said = runner.run(install="", python=sys.executable)
    assert (code, "fetch-depth: 0" in said) == (2, True)


def test_the_action_takes_no_input_into_a_script() -> None:
    action = yaml.safe_load((HOME / "action.yml").read_text())
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", ""), "an input in a script is code that a stranger writes"
        assert step.get("shell") == "bash" or "uses" in step
    for script in (HOME / "ci").glob("*.sh"):
        assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
        assert os.access(script, os.X_OK)
