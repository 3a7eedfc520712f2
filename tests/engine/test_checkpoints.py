from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sanetune.engine import checkpoints
from sanetune.errors import RunError


def write(folder: Path, step: int) -> Path:
    """A checkpoint as training leaves it, small."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    save_file({"weight": torch.full((4,), float(step))}, path / "model.safetensors")
    torch.save({}, path / "optimizer.pt")
    return path


def fail(final: Path, error: Exception) -> None:
    """Write half a folder, then fail."""
    with checkpoints.replacing(final) as partial:
        (partial / "model.safetensors").write_bytes(b"half")
        raise error


def test_latest_goes_by_number_and_passes_over_what_is_not_whole(tmp_path: Path) -> None:
    for step in (2, 9, 10, 11, 12, 13):
        write(tmp_path, step)
    (tmp_path / "checkpoint-13" / "trainer_state.json").unlink()
    (tmp_path / "checkpoint-12" / "optimizer.pt").unlink()
    file = tmp_path / "checkpoint-11" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    (tmp_path / "checkpoint-nonsense").mkdir()
    assert [path.name for path in checkpoints.complete(tmp_path)] == ["checkpoint-2", "checkpoint-9", "checkpoint-10"]
    assert checkpoints.latest(tmp_path / "nowhere") is None


def test_a_folder_appears_in_one_move(tmp_path: Path) -> None:
    final = tmp_path / "checkpoint-1"
    with checkpoints.replacing(final) as partial:
        (partial / "file").write_text("half")
        assert not final.exists()
        assert checkpoints.step_of(partial) is None
    assert (final / "file").read_text() == "half"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


def test_a_failed_write_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    final = tmp_path / "model"
    with checkpoints.replacing(final) as partial:
        (partial / "file").write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail(final, ZeroDivisionError())
    assert (final / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    # The very words of safetensors 0.8 and torch 2.13 on a full disk.
    RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
]


@pytest.mark.parametrize("error", FULL, ids=["enospc", "quota", "safetensors", "torch"])
def test_a_full_disk_is_a_run_error_that_names_the_space_and_what_survives(tmp_path: Path, error: Exception) -> None:
    write(tmp_path, 3)
    with pytest.raises(RunError, match=r"disk is full: checkpoint-4 .* MB free") as caught:
        fail(tmp_path / "checkpoint-4", error)
    assert "checkpoint-3" in caught.value.rationale
    assert "--resume" in caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def test_another_error_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(PermissionError):
        fail(tmp_path / "checkpoint-4", PermissionError(errno.EACCES, "Permission denied"))


@pytest.mark.parametrize(
    ("limit", "best", "left"),
    [(None, None, [1, 2, 3, 4]), (2, None, [3, 4]), (2, 1, [1, 4]), (1, 2, [2, 4]), (1, 4, [4]), (9, 1, [1, 2, 3, 4])],
)
def test_rotation_keeps_the_newest_and_the_best(
    tmp_path: Path, limit: int | None, best: int | None, left: list[int]
) -> None:
    paths = {step: write(tmp_path, step) for step in (1, 2, 3, 4)}
    checkpoints.rotate(tmp_path, limit, paths.get(best) if best else None)
    assert [checkpoints.step_of(path) for path in checkpoints.complete(tmp_path)] == left


def test_sweeping_removes_what_an_interrupted_write_left(tmp_path: Path) -> None:
    write(tmp_path, 3)
    (tmp_path / ".checkpoint-4.partial").mkdir()
    (tmp_path / ".checkpoint-2.deleted").mkdir()
    checkpoints.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]
