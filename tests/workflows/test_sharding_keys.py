"""What `sanetune init --devices` writes is what a run reads again, and the forecast follows it."""

from __future__ import annotations

import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.config.load import load
from sanetune.engine.arguments import training_arguments
from sanetune.errors import ConfigError
from sanetune.runs import Run
from sanetune.workflows.sharding_keys import sharding_of, sharding_overrides


@pytest.mark.parametrize("sharding", ["ddp", "fsdp", "zero2", "zero3"])
def test_the_keys_say_how_the_run_is_shared(sharding: str, tmp_path: Path) -> None:
    overrides = sharding_overrides(4, sharding, tmp_path / "run.yaml")  # type: ignore[arg-type]
    config = load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}}, overrides)
    assert config.run.devices == 4
    assert sharding_of(dict(config.train.given)) == sharding
    files = [path.name for path in tmp_path.iterdir()]
    assert files == ([f"run.{sharding}.json"] if sharding.startswith("zero") else [])
    if files:
        written = json.loads((tmp_path / files[0]).read_text())
        assert written["zero_optimization"]["stage"] == int(sharding[-1])


def test_one_device_has_nothing_to_share(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is one"):
        sharding_overrides(1, "fsdp", tmp_path / "run.yaml")


def test_a_plan_for_one_device_does_not_ignore_that_a_model_is_to_be_shared(tmp_path: Path) -> None:
    demo = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
    rows = (demo / "data" / "train.jsonl").read_text().splitlines(keepends=True)[:20]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    (tmp_path / "c.yaml").write_text(f"model: {{name: {demo / 'model'}}}\ndata: {{train: rows.jsonl, workers: 1}}\n")
    done = CliRunner().invoke(main, ["plan", str(tmp_path / "c.yaml"), "--sharding", "fsdp"])
    assert (done.exit_code, "this run has one" in done.stderr) == (2, True)


def test_deepspeed_that_is_not_installed_is_named_with_what_needs_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deepspeed").mkdir()  # of DeepSpeed's files: Python takes it for a package
    _without_deepspeed(monkeypatch)
    config = load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}, "train": {"deepspeed": "z2.json"}})
    with pytest.raises(ConfigError, match="DeepSpeed is not installed") as caught:
        training_arguments(config, Run(tmp_path), device="cpu", validation=False, resume=False)
    assert "train.fsdp: true" in caught.value.remedy


def _without_deepspeed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.metadata.version

    def version(name: str) -> str:
        if name == "deepspeed":
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_one_process_checks_a_run_that_is_to_be_sharded_as_one_that_is_not(tmp_path: Path) -> None:
    demo = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
    rows = (demo / "data" / "train.jsonl").read_text().splitlines(keepends=True)[:20]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    found = []
    for keys in ("", ", fsdp: true, fsdp_config: {version: 2}"):
        (tmp_path / "c.yaml").write_text(
            f"model: {{name: {demo / 'model'}}}\ndata: {{train: rows.jsonl, workers: 1}}\nrun: {{devices: 2}}\n"
            f"train: {{max_steps: 5{keys}}}\n"
        )
        words = ["check", str(tmp_path / "c.yaml"), "--level", "static", "--json", "-"]
        done = CliRunner().invoke(main, [*words, "--select", "labels", "--select", "batches", "--select", "template"])
        checks = json.loads(done.stdout)["findings"]
        # A message may name the seconds that something took.
        found.append([(one["check"], one["verdict"], re.sub(r"\d+\.\d+ s", "", one["message"])) for one in checks])
    assert found[0] == found[1] and "crash" not in {verdict for _, verdict, _ in found[1]}
    assert any(check.startswith("labels-") and verdict == "pass" for check, verdict, _ in found[1])
