"""What people and programs rely on stays as it is: command line, configuration, JSON keys, check names and limits.

A deliberate change is written down with ``python -m tests.test_frozen`` and shows in the diff of ``frozen.json``.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import click
import pytest

from sanetune.finding import Finding, Report, Verdict, Witness

FROZEN = Path(__file__).parent / "frozen.json"


def command_line() -> dict[str, Any]:
    """Command -> its arguments and options, each with its spellings and kind."""
    from sanetune.cli import COMMANDS

    commands = {name: importlib.import_module(f"sanetune.cli.{name}").command for name in COMMANDS}
    for name, command in list(commands.items()):
        if isinstance(command, click.Group):
            commands |= {f"{name} {below}": one for below, one in command.commands.items()}
    return {name: _parameters(command) for name, command in commands.items()}


def _parameters(command: click.Command) -> dict[str, Any]:
    return {
        str(parameter.name): [
            parameter.param_type_name,
            [*parameter.opts, *parameter.secondary_opts],
            _kind(parameter),
            parameter.required,
            parameter.nargs,
        ]
        for parameter in command.params
    }


def _kind(parameter: click.Parameter) -> Any:
    kind = parameter.type
    return sorted(map(str, kind.choices)) if isinstance(kind, click.Choice) else kind.name


def json_keys() -> dict[str, list[str]]:
    """The keys of ``--json``."""
    from sanetune.errors import Place

    place = Place(file=Path("rows.jsonl"), line=1, row=1, message=1)
    witness = Witness("text", place, "note", "beside", "train", 1)
    finding = Finding("labels-none", Verdict.FAIL, "measured", "why", "do", {"n": 1}, [witness], {"a.b": 1})
    plain = Report([finding], "static", 1.0, {}).to_json()
    return {"report": sorted(plain), "finding": sorted(plain["findings"][0]), "witness": sorted(witness.to_json())}


def checks() -> dict[str, Any]:
    """Check -> its level and the names of its limits."""
    from sanetune.gate.catalogue import catalogue

    return {name: [check.level, sorted(check.limits)] for name, check in sorted(catalogue().items())}


def configuration() -> dict[str, Any]:
    """Section -> its keys, each with type, range and default as in JSON Schema. SFTConfig's own keys are TRL's."""
    from sanetune.config import Config

    schema = Config.model_json_schema()
    sections = schema["$defs"] | {"Config": schema}
    return {
        name: {
            "required": section.get("required", []),
            "keys": {key: _type_and_default(value) for key, value in section["properties"].items()},
        }
        for name, section in sorted(sections.items())
    }


def _type_and_default(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in ("description", "title", "examples")}


def promised() -> dict[str, Any]:
    """All of it."""
    return {
        "command_line": command_line(),
        "configuration": configuration(),
        "json": json_keys(),
        "checks": checks(),
    }


@pytest.mark.parametrize("part", ["command_line", "configuration", "json", "checks"])
def test_nothing_that_others_rely_on_changes_unnoticed(part: str) -> None:
    assert json.loads(json.dumps(promised()[part])) == json.loads(FROZEN.read_text())[part]


if __name__ == "__main__":
    FROZEN.write_text(json.dumps(promised(), indent=1, sort_keys=True) + "\n")
