"""The examples run, and their configurations are understood."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

import sanetune
from sanetune.config.load import load

HOME = Path(__file__).resolve().parents[1]


def test_a_bare_trainer_trains_on_prepared_rows_and_passes_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    lines = (HOME / "sanetune/demo/data/train.jsonl").read_text().splitlines()[:80]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    spec = importlib.util.spec_from_file_location("own_trainer", HOME / "examples/own_trainer.py")
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    trainer = example.main(str(HOME / "sanetune/demo/model"), "rows.jsonl", steps=10)
    losses = [record["loss"] for record in trainer.state.log_history if "loss" in record]
    assert losses[-1] < losses[0]
    assert "Report pass at level static" in (said := capsys.readouterr().out) or "Report warn" in said


def test_the_example_for_trainers_uses_public_names_only() -> None:
    tree = ast.parse((HOME / "examples/own_trainer.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("sanetune")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sanetune":
            assert node.attr in sanetune.__all__


@pytest.mark.parametrize("file", sorted((HOME / "examples").glob("*.yaml")), ids=lambda file: file.name)
def test_an_example_configuration_is_understood(file: Path) -> None:
    assert load(file).model.name
