from __future__ import annotations

import errno
import json
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sanetune.engine import checkpoints
from sanetune.engine.state.files import write_state
from sanetune.errors import RunError

Make = Callable[[Path, int], Path]


def write(folder: Path, step: int) -> Path:
    """A checkpoint as training leaves it, small."""
    path = folder / f"checkpoint-{step}"
    with checkpoints.replacing(path) as partial:
        (partial / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        save_file({"weight": torch.full((4,), float(step))}, partial / "model.safetensors")
        write_state(partial, "optimizer", {"state": {}})
    return path


def write_foreign(folder: Path, step: int) -> Path:
    """A checkpoint as transformers' own trainer leaves it."""
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


@pytest.mark.parametrize("made", [write, write_foreign])
def test_latest_goes_by_number_and_passes_over_what_is_not_whole(
    made: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    for step in (2, 9, 10, 11, 12, 13):
        made(tmp_path, step)
    (tmp_path / "checkpoint-13" / "trainer_state.json").unlink()
    for name in ("optimizer.pt", "optimizer.json"):
        (tmp_path / "checkpoint-12" / name).unlink(missing_ok=True)
    file = tmp_path / "checkpoint-11" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    (tmp_path / "checkpoint-nonsense").mkdir()
    assert [path.name for path in checkpoints.complete(tmp_path)] == ["checkpoint-2", "checkpoint-9", "checkpoint-10"]
    assert checkpoints.latest(tmp_path) == tmp_path / "checkpoint-10"
    assert checkpoints.latest(tmp_path / "nowhere") is None


def test_a_run_goes_on_from_the_newest_whole_checkpoint_and_says_what_it_skipped(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        write(tmp_path, step)
    assert checkpoints.resume_point(tmp_path) == checkpoints.ResumePoint(tmp_path / "checkpoint-6")
    file = tmp_path / "checkpoint-6" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")  # its header still fits: only the checksum tells
    (tmp_path / "checkpoint-4" / "optimizer.json").unlink()
    found = checkpoints.resume_point(tmp_path)
    assert found.path == tmp_path / "checkpoint-2"
    then = "and was skipped; going on from checkpoint-2"
    assert found.notes == [
        f"checkpoint-6 is damaged (model.safetensors is not what was written) {then}",
        f"checkpoint-4 is damaged (optimizer.json is missing) {then}",
    ]


def test_a_run_never_goes_on_from_pickles(tmp_path: Path) -> None:
    write(tmp_path, 2)
    write_foreign(tmp_path, 4)
    with pytest.raises(RunError, match=r"checkpoint-4 has its training state as pickles \(optimizer.pt\)") as caught:
        checkpoints.resume_point(tmp_path)
    assert "model.name=" in caught.value.remedy


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


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_a_run_error_that_says_what_survives(number: int, tmp_path: Path) -> None:
    write(tmp_path, 3)
    with pytest.raises(RunError, match="checkpoint-4 cannot be written to") as caught:
        fail(tmp_path / "checkpoint-4", OSError(number, "not here"))
    assert "checkpoint-3" in caught.value.rationale
    assert "--resume" in caught.value.remedy


def test_a_folder_that_cannot_be_made_says_what_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, 3)

    def refused(self: Path, **kwargs: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(RunError, match=r"checkpoint-4 cannot be written to .*: Read-only file system") as caught:
        write(tmp_path, 4)
    assert "checkpoint-3" in caught.value.rationale


def test_another_error_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fail(tmp_path / "checkpoint-4", FileNotFoundError(errno.ENOENT, "No such file"))


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


def test_sweeping_gives_a_folder_its_name_back_whose_replacement_never_came(tmp_path: Path) -> None:
    write(tmp_path, 3).rename(tmp_path / ".checkpoint-3.old")
    write(tmp_path, 4)
    (tmp_path / ".checkpoint-4.old").mkdir()
    checkpoints.sweep(tmp_path)
    assert [path.name for path in checkpoints.complete(tmp_path)] == ["checkpoint-3", "checkpoint-4"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_in_the_way_is_replaced_and_what_it_points_to_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / ".checkpoint-4.partial").symlink_to(outside)
    (folder / "checkpoint-4").symlink_to(outside)
    write(folder, 4)
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert checkpoints.is_complete(folder / "checkpoint-4")
    assert not (folder / "checkpoint-4").is_symlink()


def test_a_file_size_limit_of_the_system_is_a_full_disk_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    """The system itself refuses the bytes here, in the middle of a file, in Rust and in Python."""
    write(tmp_path, 3)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for large in (torch.zeros(100_000), list(range(100_000))):
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        try:
            with pytest.raises(RunError, match="disk is full: checkpoint-4") as caught:
                write_large(tmp_path / "checkpoint-4", large)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "The last complete checkpoint is checkpoint-3" in caught.value.rationale
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-3"]


def write_large(final: Path, value: object) -> None:
    with checkpoints.replacing(final) as partial:
        write_state(partial, "optimizer", {"state": value})
