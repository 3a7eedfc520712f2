from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanetune.errors import RunError
from sanetune.runs import Run, versions


def finish(run: Run) -> None:
    run.model.mkdir(parents=True, exist_ok=True)
    (run.model / "config.json").write_text("{}")


def test_a_finished_run_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    finish(run)
    (run.path / "demo.json").write_text("{}")
    with pytest.raises(RunError, match="finished run") as caught:
        Run.create(run.path)
    assert "--resume" in caught.value.remedy
    assert Run.create(run.path, resume=True).finished
    assert not Run.create(run.path, overwrite=True).finished
    assert (run.path / "demo.json").exists(), "only what a run makes is removed"


def test_an_unfinished_run_with_checkpoints_is_not_lost(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    (run.checkpoints / "checkpoint-40").mkdir()
    with pytest.raises(RunError, match="checkpoint at step 40"):
        Run.create(run.path)
    assert run.steps_saved == [40]


def test_a_clearance_alone_is_no_run_but_one_may_begin_there(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.write_json(run.clearance, {})
    with pytest.raises(RunError, match="not a run folder"):
        Run.open(run.path)
    assert Run.create(run.path).clearance.is_file()
    (tmp_path / "clearance.json").write_text("{}")
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(RunError, match=r"holds holiday\.jpg"):
        Run.create(tmp_path)


def test_a_run_that_never_saved_anything_starts_anew(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.metrics.write_text("{}\n")
    assert not Run.create(run.path).metrics.exists()


def test_a_folder_of_other_things_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(RunError, match=r"holiday\.jpg"):
        Run.create(tmp_path)


def test_a_place_that_cannot_be_written_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        Run.create(tmp_path / "file" / "run")


def test_opening_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        Run.open(tmp_path / "nowhere")
    with pytest.raises(RunError, match="not a run folder"):
        Run.open(tmp_path)
    run = Run.create(tmp_path / "run")
    run.write_versions("cpu")
    assert Run.open(run.path).name == "run"


@pytest.mark.parametrize("left", ["watch.json", "trainer_state.json", "checkpoint-10/trainer_state.json"])
def test_the_folder_of_another_trainer_is_no_run_and_its_log_can_be_diagnosed(tmp_path: Path, left: str) -> None:
    """The watch writes its report into whatever folder a trainer writes to."""
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).write_text("{}")
    with pytest.raises(RunError, match="not a run folder") as caught:
        Run.open(tmp_path)
    assert f"sanetune diagnose {tmp_path}" in caught.value.remedy
    with pytest.raises(RunError, match="not a run folder: it holds"):
        Run.create(tmp_path, overwrite=True)
    assert (tmp_path / left).is_file()


def test_versions_name_python_packages_and_device(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    found = run.write_versions("cpu")
    assert found == json.loads(run.versions.read_text()) == versions("cpu")
    assert found["device"] == "cpu"
    assert all(found[name] for name in ("python", "torch", "transformers", "trl", "datasets", "accelerate", "peft"))


def test_json_files_are_whole_and_broken_ones_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run")
    run.write_json(run.samples, {"größe": [1, 2]})
    assert run.read_json(run.samples) == {"größe": [1, 2]}
    assert not list(run.path.glob(".*"))
    with pytest.raises(RunError, match=r"no comparison\.json"):
        run.read_json(run.comparison)
    run.data.write_text("{")
    with pytest.raises(RunError, match=r"data\.json is not valid"):
        run.read_json(run.data)
