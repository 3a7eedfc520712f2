"""plan and init on a real model and real data."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from sanetune.cli import main
from sanetune.config import load


@pytest.fixture
def first(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that init wrote for stories260k and alpaca."""
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "sanetune.yaml"
    words = ["init", str(shared / "models/stories260k"), str(shared / "data/alpaca"), "--out", str(out)]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return out


def test_init_writes_a_configuration_with_reasons_that_loads(first: Path) -> None:
    text, config = first.read_text(), load(first)
    assert config.model.chat_template == "chatml"
    assert "the tokenizer brings no chat template" in text
    assert "1,100 rows (alpaca)" in text
    for key in (
        "learning_rate",
        "num_train_epochs",
        "per_device_train_batch_size",
        "warmup_steps",
        "eval_steps",
        "seed",
    ):
        line = next(i for i, line in enumerate(text.splitlines()) if line.strip().startswith(f"{key}:"))
        assert "#" in text.splitlines()[line] or text.splitlines()[line - 1].strip().startswith("#"), key


def test_init_keeps_what_is_there(first: Path, shared: Path) -> None:
    first.write_text("mine")
    words = ["init", str(shared / "models/stories260k"), str(shared / "data/alpaca"), "--out", str(first)]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, first.read_text()) == (2, "mine")
    assert "--force" in done.stderr
    assert CliRunner().invoke(main, [*words, "--force", "--method", "lora"]).exit_code == 0
    assert load(first).model.adapter is not None


def test_init_with_a_missing_model_or_data_writes_nothing(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "sanetune.yaml"
    model, data = str(shared / "models/stories260k"), str(shared / "data/alpaca")
    for pair in ((str(tmp_path / "none"), data), (model, str(tmp_path / "none.jsonl"))):
        done = CliRunner().invoke(main, ["init", *pair, "--out", str(out)])
        assert done.exit_code == 2, done.output
        assert not out.exists()


def test_plan_shows_the_equation_and_writes_json_and_plots(first: Path, tmp_path: Path) -> None:
    words = ["plan", str(first), "train.per_device_train_batch_size=4", "train.gradient_accumulation_steps=8"]
    words += ["--json", str(tmp_path / "plan.json"), "--plots", str(tmp_path / "plots")]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "4 per device x 8 accumulated x 1 device = 32" in done.output
    figures = json.loads((tmp_path / "plan.json").read_text())
    assert figures["steps"]["effective"] == 32
    assert figures["facts"]["parameters"] == 260_032
    assert figures["steps"]["steps_per_epoch"] == -(-figures["facts"]["train_examples"] // 32)
    assert {file.name for file in (tmp_path / "plots").iterdir()} == {"schedules.png", "schedules.svg"}


def test_a_lora_plan_counts_what_is_trained(first: Path, tmp_path: Path) -> None:
    words = ["plan", str(first), "model.adapter=lora", "model.adapter.r=8", "--json", str(tmp_path / "plan.json")]
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    facts = json.loads((tmp_path / "plan.json").read_text())["facts"]
    # per layer: q and o 64x64, k and v 64x32, gate and up 64x172, down 172x64; r x (in + out) each; five layers
    assert facts["trainable"] == 5 * 8 * (2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 172))


def test_init_and_data_read_a_folder_by_its_splits(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    folder, out = tmp_path / "rows", tmp_path / "sanetune.yaml"
    folder.mkdir()
    for name, count in (("train", 40), ("dev", 8), ("test", 5)):
        rows = [{"question": f"What is {name} {n}?", "answer": f"{name} {n}."} for n in range(count)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["init", str(shared / "models/stories260k"), str(folder), "--out", str(out)]
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    data = load(out).data
    assert data.validation and (data.validation[0].path, data.validation[0].split) == (str(folder), "validation")
    assert "8 rows in the folder's validation files" in out.read_text() and "holdout" not in out.read_text()
    shown = CliRunner().invoke(main, ["data", str(out), "--json", "-"], catch_exceptions=False)
    stats = json.loads(shown.stdout)["stats"]
    assert (stats["train"]["examples"], stats["validation"]["examples"]) == (40, 8)
    assert [Path(file).name for file in stats["other_splits"]] == ["test.jsonl"]
    assert "test.jsonl: other splits of the folder" in CliRunner().invoke(main, ["data", str(out)]).stdout


def _init(shared: Path, folder: Path, rows: list[str], *words: str) -> tuple[int, str]:
    """Exit code and errors of init on these lines; the file is ``folder / "sanetune.yaml"``."""
    file = folder / "my rows.jsonl"
    file.write_text("".join(row + "\n" for row in rows))
    typed = ["init", str(shared / "models/stories260k"), str(file), *words, "--out", str(folder / "sanetune.yaml")]
    done = CliRunner().invoke(main, typed)
    return done.exit_code, done.stderr


def test_init_names_the_command_that_leaves_out_broken_rows_and_it_works(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    rows = [json.dumps({"prompt": f"What is {n} and {n}?", "completion": f"It is {n + n}."}) for n in range(30)]
    rows[7] = "{broken"
    code, errors = _init(shared, tmp_path, rows)
    assert code and "CONFIG" not in errors
    again = shlex.split(errors.split("`")[1])
    assert again[:2] == ["sanetune", "init"] and again[-1] == "data.on_bad_row=skip"
    done = CliRunner().invoke(main, again[1:], catch_exceptions=False)
    assert (done.exit_code, load(tmp_path / "sanetune.yaml").data.on_bad_row) == (0, "skip")


def test_init_writes_overrides_into_the_file(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    rows = [json.dumps({"ask": f"What is {n} and {n}?", "say": f"It is {n + n}."}) for n in range(30)]
    words = ["data.fields={prompt: ask, completion: say}", "train.learning_rate=3e-5", "train.optim=sgd"]
    code, errors = _init(shared, tmp_path, rows, *words, "model.adapter=lora", "data.holdout=0.2", "run.name=one")
    assert code == 0, errors
    config = load(tmp_path / "sanetune.yaml")
    assert config.data.fields == {"prompt": "ask", "completion": "say"} and config.data.holdout == 0.2
    assert (config.train.given["learning_rate"], config.train.given["optim"]) == (3e-5, "sgd")
    lines = (tmp_path / "sanetune.yaml").read_text().splitlines()
    model = next(line for line in lines if line.startswith("  name:"))
    assert config.run.name == "one" and "context of 512 tokens" in model
    assert config.model.adapter is not None and config.model.adapter.type == "lora"


def test_init_refuses_an_override_of_no_key_and_writes_nothing(shared: Path, tmp_path: Path) -> None:
    code, errors = _init(shared, tmp_path, ['{"prompt": "a b", "completion": "c d"}'], "data.on_bad_rows=skip")
    assert code == 2 and "data.on_bad_row" in errors and not (tmp_path / "sanetune.yaml").exists()


def test_init_counts_the_model_without_the_adapter_that_an_override_adds(shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "sanetune.yaml"
    words = ["init", str(shared / "models/stories260k"), str(shared / "data/alpaca"), "--out", str(out)]
    assert CliRunner().invoke(main, [*words, "model.adapter=lora"], catch_exceptions=False).exit_code == 0
    text = out.read_text()
    assert "stories260k  # 260 k parameters" in text
    assert "the adapter's included" in text
