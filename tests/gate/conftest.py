"""A small configuration of its own in the current folder, and its fingerprint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.gate.fingerprint import Fingerprint, fingerprint
from sanetune.planning.plan import plan

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
TEMPLATE += "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

Take = Callable[..., Fingerprint]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration of its own in the current folder: copies of the demo's model, forty of its rows, a template."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(DEMO / "model", "model")
    rows = (DEMO / "data" / "train.jsonl").read_text().splitlines(keepends=True)
    Path("rows.jsonl").write_text("".join(rows[:40]))
    Path("held.jsonl").write_text("".join(rows[40:46]))
    Path("chat.jinja").write_text(TEMPLATE)
    Path("c.yaml").write_text(
        "model: {name: ./model, chat_template: chat.jinja}\ndata: {train: rows.jsonl, validation: held.jsonl}\n"
        "train: {max_steps: 4, learning_rate: 2.0e-5, per_device_train_batch_size: 2, max_length: 300}\n"
        "run: {name: x}\n"
    )
    return tmp_path


@pytest.fixture
def take(place: Path) -> Take:
    """The fingerprint of the configuration as it is now, with overrides."""

    def taken(*overrides: str) -> Fingerprint:
        config = load(place / "c.yaml", overrides)
        prepared = prepare(config)
        return fingerprint(plan(config, prepared), prepared)

    return taken
