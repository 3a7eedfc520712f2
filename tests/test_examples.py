"""The examples run, and their configurations are understood."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from typing import Any

import pytest

import sanetune
from sanetune.config.load import load

HOME = Path(__file__).resolve().parents[1]


def _example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HOME / f"examples/{name}.py")
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example


def test_a_bare_trainer_trains_on_prepared_rows_and_passes_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    lines = (HOME / "sanetune/demo/data/train.jsonl").read_text().splitlines()[:80]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    trainer = _example("own_trainer").main(str(HOME / "sanetune/demo/model"), "rows.jsonl", steps=10)
    losses = [record["loss"] for record in trainer.state.log_history if "loss" in record]
    assert losses[-1] < losses[0]
    assert "Report pass at level static" in (said := capsys.readouterr().out) or "Report warn" in said


@pytest.mark.parametrize(
    ("name", "losses"), [("two_losses", {"answers", "topics"}), ("gradient_surgery", {"long", "short"})]
)
def test_an_example_of_a_loss_of_ones_own_lowers_each_loss(
    name: str, losses: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    lines = (HOME / "sanetune/demo/data/train.jsonl").read_text().splitlines()[:40]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    trained = _example(name).main(str(HOME / "sanetune/demo/model"), "rows.jsonl", steps=10)
    records = [record for record in trained.outcome.records if record.kind == "train"]
    assert [record.step for record in records] == [1, 5, 10]
    for one in losses:
        assert records[-1].losses[one] < records[0].losses[one]


@pytest.mark.parametrize("name", ["own_trainer", "two_losses", "gradient_surgery"])
def test_an_example_uses_public_names_only(name: str) -> None:
    tree = ast.parse((HOME / f"examples/{name}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("sanetune")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sanetune":
            assert node.attr in sanetune.__all__


@pytest.mark.parametrize("file", sorted((HOME / "examples").glob("*.yaml")), ids=lambda file: file.name)
def test_an_example_configuration_is_understood(file: Path) -> None:
    assert load(file).model.name
