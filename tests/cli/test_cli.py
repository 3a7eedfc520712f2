"""The command line: fast help, exit codes, messages instead of tracebacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sanetune.cli import COMMANDS, guarded, main, write_json
from sanetune.errors import DataError, Place, RunError

HEAVY = ("torch", "transformers", "trl", "datasets", "numpy", "matplotlib", "pydantic", "peft", "rich", "ruamel.yaml")
PROBE = f"""
import sys
from sanetune.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print("HEAVY", [name for name in {HEAVY} if name in sys.modules])
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy(command: str) -> None:
    done = run(*([command] if command else []), "--help")
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_is_there_in_under_a_third_of_a_second() -> None:
    def once() -> float:
        start = time.perf_counter()
        run("--help")
        return time.perf_counter() - start

    # The best of several: another program on the same cores is not our slowness.
    assert min(once() for _ in range(5)) < 0.3


def test_importing_the_package_costs_nothing() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys, sanetune; print([n for n in {HEAVY} if n in sys.modules], sanetune.__version__)",
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        check=True,
    )
    assert done.stdout.startswith("[] ")


def test_every_command_of_the_list_exists_and_none_is_hidden() -> None:
    files = {file.stem for file in (Path(__file__).resolve().parents[2] / "sanetune" / "cli").glob("*.py")} - {
        "__init__"
    }
    assert files == set(COMMANDS)
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


FROZEN = {
    "demo": {"--fault", "--out", "--json"},
    "init": {"MODEL", "DATA", "--from", "--out", "--method", "--devices", "--sharding", "--force"},
    "data": {"CONFIG", "[OVERRIDE]...", "-n", "--split", "--export", "--out", "--price", "--json"},
    "plan": {
        "CONFIG",
        "[OVERRIDE]...",
        "--json",
        "--plots",
        "--forecast",
        "--device",
        "--sharding",
        "--layers",
        "--measure",
        "--write",
    },
    "check": {
        "CONFIG",
        "[OVERRIDE]...",
        "--level",
        "--select",
        "--ignore",
        "--fix",
        "--write-clean",
        "--verbose",
        "--quiet",
        "--output-format",
        "--json",
        "--sarif",
        "--junit",
        "--html",
        "--baseline",
        "--write-baseline",
    },
    "train": {"CONFIG", "[OVERRIDE]...", "--resume", "--unchecked"},
    "compare": {
        "RUN...",
        "--prompt",
        "-n",
        "--show",
        "--blind",
        "--seed",
        "--json",
        "--evaluate",
        "--evaluate-limit",
    },
    "sweep": {"CONFIG", "[NAME=VALUES]...", "--trial-steps", "--trials", "--jobs", "--out", "--json"},
    "auto": {
        "MODEL",
        "DATA",
        "--budget",
        "--goal",
        "--from",
        "--out",
        "--ask",
        "--dry-run",
        "--resume",
        "--json",
    },
    "chat": {"RUN", "--max-new-tokens", "--temperature", "--base"},
    "verify": {
        "RUN",
        "--endpoint",
        "--gguf",
        "--model",
        "--storage",
        "--api-key-env",
        "--timeout",
        "-n",
        "--prompt",
        "--select",
        "--ignore",
        "--verbose",
        "--json",
    },
    "export": {
        "RUN",
        "--gguf",
        "--force",
        "--type",
        "--pre",
        "--converter",
        "--verify",
        "--merge",
        "--push-to-hub",
        "--public",
        "--json",
    },
    "report": {"RUN...", "--html", "--live", "--port", "--open"},
    "replay": {"RUN", "--step", "--json"},
    "diagnose": {"LOG...", "--select", "--ignore", "--from-scratch", "--verbose", "--json"},
    "doctor": {"--json"},
    "ci": {
        "[FILE]...",
        "--since",
        "--config",
        "--level",
        "--baseline",
        "--output-format",
        "--summary",
        "--out",
    },
    "clearance": set(),
    "launch": {
        "CONFIG",
        "[OVERRIDE]...",
        "--on",
        "--nodes",
        "--devices",
        "--device",
        "--install",
        "--hours",
        "--image",
        "--workdir",
        "--resume",
        "--unchecked",
        "--out",
        "--force",
    },
    "explain": {"CHECK"},
    "mcp": {"--root", "--http", "--port"},
    "checks": set(),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_line_is_frozen(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    names = {one.metavar or one.name if isinstance(one, click.Argument) else one.opts[0] for one in command.params}
    assert names == FROZEN[name]


FROZEN_BELOW = {
    "clearance": {"verify": {"RUN", "--model", "--config", "--json"}, "status": {"CONFIG", "[OVERRIDE]..."}}
}
"""The commands of a command."""


@pytest.mark.parametrize("name", FROZEN_BELOW)
def test_the_commands_of_a_command_are_frozen(name: str) -> None:
    group = main.get_command(click.Context(main), name)
    assert isinstance(group, click.Group)
    found = {
        below: {
            one.metavar or one.opts[0] if isinstance(one, click.Argument) else one.opts[0] for one in command.params
        }
        for below, command in group.commands.items()
    }
    assert found == FROZEN_BELOW[name]


def test_an_unknown_command_asks_what_was_meant() -> None:
    done = CliRunner().invoke(main, ["trian"])
    assert (done.exit_code, "Did you mean train?" in done.output) == (2, True)


def test_a_missing_file_is_reported_on_stderr_with_exit_code_2(tmp_path: Path) -> None:
    for command in ("plan", "data", "train"):
        done = CliRunner().invoke(main, [command, str(tmp_path / "none.yaml")])
        assert done.exit_code == 2
        assert "there is no configuration file" in done.stderr
        assert "Traceback" not in done.output
        assert done.stdout == ""


def test_what_the_user_can_fix_never_shows_a_traceback_nor_steers_the_terminal() -> None:
    @click.command()
    @guarded
    def broken() -> None:
        raise DataError("a bad row \x1b[31m[bold]x[/bold]", "It matters.", "Mend it.", Place("rows.jsonl", 3))

    done = CliRunner().invoke(broken, color=False)
    assert done.exit_code == 2
    assert done.stderr == "Error: rows.jsonl:3: a bad row \\x1b[31m[bold]x[/bold]\nIt matters.\nMend it.\n"


def test_ctrl_c_ends_with_130() -> None:
    @click.command()
    @guarded
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert CliRunner().invoke(interrupted).exit_code == 130


def test_a_bug_of_ours_keeps_its_traceback() -> None:
    @click.command()
    @guarded
    def buggy() -> None:
        raise ZeroDivisionError

    assert isinstance(CliRunner().invoke(buggy).exception, ZeroDivisionError)


def test_json_is_written_whole_and_valid(tmp_path: Path) -> None:
    import numpy as np

    file = tmp_path / "new" / "figures.json"
    write_json(file, {"a": float("nan"), "b": np.float32(1.5), "c": Path("x"), "d": np.arange(2), 1: None})
    assert json.loads(file.read_text()) == {"a": None, "b": 1.5, "c": "x", "d": [0, 1], "1": None}
    assert [one.name for one in file.parent.iterdir()] == ["figures.json"]
    with pytest.raises(RunError):
        write_json(file / "below.json", {})
