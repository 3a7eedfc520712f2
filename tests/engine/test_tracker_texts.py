"""What the watch and the samples say reaches TensorBoard, W&B and trackio, and their own readers give it back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from sanetune.engine.tracker_texts import posting
from sanetune.engine.watcher import TrackerText

TEXT = TrackerText("watch/curve-spike", 40, "**warn curve-spike** (step 40): <b>rows.jsonl:25</b>")


def post(callback: object) -> None:
    """Give a tracker the text from another thread than the one in which its run has begun."""
    call = posting(callback, TEXT)  # type: ignore[arg-type]
    assert call is not None
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def test_tensorboard_gives_it_back(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        post(SimpleNamespace(tb_writer=writer))
    (event,) = EventAccumulator(str(tmp_path)).Reload().Tensors("watch/curve-spike/text_summary")
    assert event.step == 40 and make_ndarray(event.tensor_proto)[0].decode() == TEXT.text


def test_an_offline_run_of_wandb_gives_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.init(mode="offline", dir=str(tmp_path), project="texts")
    try:
        post(SimpleNamespace(_wandb=wandb))
    finally:
        wandb.finish()
        wandb.teardown()
    (stored,) = tmp_path.glob("wandb/offline-run-*/files/media/table/**/*.table.json")
    assert json.loads(stored.read_text())["data"] == [[40, TEXT.text]]


def test_the_local_store_of_trackio_gives_it_back(tmp_path: Path) -> None:
    """In a process of its own: trackio reads where its store is when it is imported."""
    pytest.importorskip("trackio")
    program = (
        "import trackio, json, sys; from types import SimpleNamespace as N;"
        "from tests.engine.test_tracker_texts import post;"
        "trackio.init(project='texts', name='run'); post(N(_trackio=trackio)); trackio.finish();"
        "from trackio.sqlite_storage import SQLiteStorage;"
        "open(sys.argv[1], 'w').write(json.dumps(SQLiteStorage.get_logs('texts', 'run')))"
    )
    place = {**os.environ, "TRACKIO_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path / "read.json")]
    done = subprocess.run(command, env=place, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (logged,) = json.loads((tmp_path / "read.json").read_text())
    assert logged["train/global_step"] == 40 and logged["watch/curve-spike"]["_value"] == TEXT.text


def test_a_callback_that_takes_no_texts_gets_none() -> None:
    assert posting(SimpleNamespace(), TEXT) is None  # type: ignore[arg-type]
