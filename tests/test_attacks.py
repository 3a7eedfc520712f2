"""A folder, a file or a template from elsewhere runs no code here and writes nothing outside of the run.

Templates that attack are in tests/data/template, YAML bombs in tests/config/test_yaml_read.py, remote code without a
revision in tests/config/test_validate.py.
"""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import sanetune
from sanetune.data.model_files import check_folder
from sanetune.engine import checkpoints
from sanetune.engine.checksums import FILE, write_checksums
from sanetune.engine.state.files import write_state
from sanetune.errors import ModelError, RunError
from sanetune.runs import Run
from tests.engine.conftest import base, prepared, rows, tokenizer  # noqa: F401  (fixtures)
from tests.engine.running import train
from tests.engine.trl.test_engine import SIX

SOURCES = sorted(Path(sanetune.__file__).parent.rglob("*.py"))


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"echo boom > {self.mark}",)


def inject(file: Path, mark: Path) -> None:
    """Leave a bomb in ``file``, and prove that it is one."""
    pickle.loads(pickle.dumps(Bomb(mark)))  # noqa: S301
    assert mark.exists()
    mark.unlink()
    torch.save({"state": Bomb(mark), "param_groups": []}, file)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, base: Path, prepared: Any) -> Run:  # noqa: F811
    """A run with a checkpoint after two steps."""
    run = Run.create(tmp_path_factory.mktemp("stopped") / "run")
    settings = SIX(base)
    settings.train.given |= {"max_steps": 2}
    train(settings, prepared, run)
    return run


def copied(run: Run, to: Path) -> Path:
    """The checkpoint of a copy of ``run``."""
    shutil.copytree(run.path, to)
    return Run(to).checkpoints / "checkpoint-2"


@pytest.mark.parametrize(
    "name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt", "pytorch_model.bin", "optimizer.bin"]
)
def test_a_pickle_bomb_beside_the_state_is_refused_unread(name: str, stopped: Run, base: Path, prepared: Any,  # noqa: F811
                                                          tmp_path: Path) -> None:  # fmt: skip
    checkpoint = copied(stopped, tmp_path / "run")
    inject(checkpoint / name, tmp_path / "mark")
    with pytest.raises(RunError, match=rf"as pickles \({name}\)"):
        train(SIX(base), prepared, Run(tmp_path / "run"), resume=True)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["optimizer.json", "optimizer.safetensors", "process-0.json", "trainer_state.json"])
def test_a_pickle_bomb_under_the_name_of_a_state_is_an_error(name: str, stopped: Run, base: Path, prepared: Any,  # noqa: F811
                                                             tmp_path: Path) -> None:  # fmt: skip
    checkpoint = copied(stopped, tmp_path / "run")
    inject(checkpoint / name, tmp_path / "mark")
    write_checksums(checkpoint)  # whoever injects it can do that too
    if name == "trainer_state.json":
        assert checkpoints.fault_of(checkpoint) == "trainer_state.json cannot be read"
    else:
        with pytest.raises(RunError, match="state cannot be read"):
            train(SIX(base), prepared, Run(tmp_path / "run"), resume=True)
    assert not (tmp_path / "mark").exists()


def test_an_index_of_weights_that_points_outside_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    save_file({"w": torch.zeros(1)}, tmp_path / "secret.safetensors")
    (model / "config.json").write_text('{"model_type": "llama"}')
    for name in ("../secret.safetensors", str(tmp_path / "secret.safetensors")):
        (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
        with pytest.raises(ModelError, match="points outside its folder"):
            check_folder(model)
        checkpoint = tmp_path / "checkpoint-1"
        checkpoint.mkdir(exist_ok=True)
        (checkpoint / "trainer_state.json").write_text("{}")
        write_state(checkpoint, "optimizer", {})
        (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
        write_checksums(checkpoint)
        assert checkpoints.fault_of(checkpoint) == "its index of weights points outside its folder"


def test_a_step_that_is_a_path_names_no_checkpoint_elsewhere(stopped: Run, base: Path, prepared: Any,  # noqa: F811
                                                            tmp_path: Path) -> None:  # fmt: skip
    checkpoint = copied(stopped, tmp_path / "run")
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    state["best_global_step"] = "2/../../../elsewhere"
    (checkpoint / "trainer_state.json").write_text(json.dumps(state))
    write_checksums(checkpoint)
    with pytest.raises(RunError, match=r"trainer_state.json .* best step"):
        train(SIX(base), prepared, Run(tmp_path / "run"), resume=True)


@pytest.mark.parametrize(
    "name", ["checkpoints", "checkpoints/checkpoint-2", "steps", "steps/rank-0.steps", "metrics.jsonl", "model"]
)
def test_a_run_whose_files_are_links_to_elsewhere_is_not_written_to(name: str, stopped: Run, tmp_path: Path) -> None:
    copied(stopped, tmp_path / "run")
    inside, outside = tmp_path / "run" / name, tmp_path / "outside"
    inside.rename(outside) if inside.exists() else outside.mkdir()
    before = sorted(path.name for path in outside.rglob("*"))
    inside.symlink_to(outside)
    for resume in (True, False):
        with pytest.raises(RunError, match=r"is a link to .*outside, outside of the run"):
            Run.create(tmp_path / "run", resume=resume, overwrite=True)
    assert sorted(path.name for path in outside.rglob("*")) == before


def test_a_run_folder_that_is_itself_a_link_may_be_written_to(stopped: Run, tmp_path: Path) -> None:
    copied(stopped, tmp_path / "big disk")
    (tmp_path / "run").symlink_to(tmp_path / "big disk")
    assert Run.create(tmp_path / "run", resume=True).steps_saved == [2]


def test_a_listed_file_outside_makes_a_checkpoint_damaged(stopped: Run, tmp_path: Path) -> None:
    checkpoint = copied(stopped, tmp_path / "run")
    listed = json.loads((checkpoint / FILE).read_text())
    listed["files"]["../../../../../etc/hostname"] = {"bytes": 1, "xxh3_128": "0"}
    (checkpoint / FILE).write_text(json.dumps(listed))
    assert "leads out of the folder" in str(checkpoints.fault_of(checkpoint))


FORBIDDEN = {
    "torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "joblib.load", "os.system",
    "os.popen", "yaml.unsafe_load", "shutil.unpack_archive", "dill.loads", "cloudpickle.loads",
}  # fmt: skip
"""What runs code that a file holds, or unpacks it anywhere. No archive is unpacked at all."""


def found_in(file: Path) -> list[str]:
    """The forbidden calls of one file, with their lines."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        shell = any(one.arg == "shell" and ast.unparse(one.value) != "False" for one in node.keywords)
        pickled = any(one.arg == "allow_pickle" and ast.unparse(one.value) != "False" for one in node.keywords)
        remote = any(one.arg == "trust_remote_code" and ast.unparse(one.value) == "True" for one in node.keywords)
        unpacked = name.endswith((".extractall", ".extract"))
        if name in FORBIDDEN or shell or pickled or remote or unpacked:
            found.append(f"{file.name}:{node.lineno}: {name}")
    return found


def test_no_source_file_unpickles_unpacks_or_starts_a_shell() -> None:
    assert [one for file in SOURCES for one in found_in(file)] == []


def test_the_search_for_such_calls_finds_them(tmp_path: Path) -> None:
    calls = ["torch.load(f)", "subprocess.run(c, shell=True)", "np.load(f, allow_pickle=True)", "tar.extractall(d)",
             "Auto.from_pretrained(m, trust_remote_code=True)"]  # fmt: skip
    (tmp_path / "bad.py").write_text("\n".join([*calls, "subprocess.run(c)", "model.load(f)"]))
    assert len(found_in(tmp_path / "bad.py")) == len(calls)
