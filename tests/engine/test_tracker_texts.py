"""What the watch and the samples say reaches TensorBoard and W&B, and their own readers give it back."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from sanetune.engine.tracker_texts import send
from sanetune.engine.watcher import TrackerText

TEXT = TrackerText("watch/curve-spike", 40, "**warn curve-spike** (step 40): <b>rows.jsonl:25</b>")


def test_tensorboard_gives_it_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        assert send(SimpleNamespace(tb_writer=writer), TEXT)  # type: ignore[arg-type]
    (event,) = EventAccumulator(str(tmp_path)).Reload().Tensors("watch/curve-spike/text_summary")
    assert event.step == 40 and make_ndarray(event.tensor_proto)[0].decode() == TEXT.text


def test_an_offline_run_of_wandb_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.init(mode="offline", dir=str(tmp_path), project="texts")
    try:
        assert send(SimpleNamespace(_wandb=wandb), TEXT)  # type: ignore[arg-type]
    finally:
        wandb.finish()
    (stored,) = tmp_path.glob("wandb/offline-run-*/files/media/table/**/*.table.json")
    assert json.loads(stored.read_text())["data"] == [[40, TEXT.text]]


def test_a_callback_that_takes_no_texts_gets_none() -> None:
    assert not send(SimpleNamespace(), TEXT)  # type: ignore[arg-type]
