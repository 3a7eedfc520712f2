"""What is saved, and how fast the disk takes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.forecast.disk import PROBE, stored_by, write_speed
from tests.probes.test_device_speed import llama, lora


def test_the_speed_of_the_disk_is_measured_and_nothing_is_left_there(tmp_path: Path) -> None:
    speed = write_speed(tmp_path / "not" / "there" / "yet", size=2 * 1024 * 1024)
    assert speed is not None and 1e5 < speed < 1e12
    assert not list(tmp_path.iterdir())
    assert PROBE < 100 * 1024 * 1024


def test_a_disk_that_takes_nothing_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    assert write_speed(tmp_path) is None


def test_a_checkpoint_is_as_large_as_the_one_that_is_written(tmp_path: Path) -> None:
    model = llama()
    weights = sum(weight.numel() for weight in model.parameters()) * 4
    model.save_pretrained(tmp_path)
    written = (tmp_path / "model.safetensors").stat().st_size
    assert stored_by(model, save_only_model=True).checkpoint == pytest.approx(written, rel=0.01)
    assert stored_by(model, save_only_model=False).checkpoint == 3 * weights


def test_of_an_adapter_only_the_adapter_is_saved_on_the_way() -> None:
    model = lora(llama())
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad) * 4
    stored = stored_by(model, save_only_model=True)
    assert stored.checkpoint == trained
    assert stored.final > 2 * trained
