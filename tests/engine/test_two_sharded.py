"""Two processes that share one model by FSDP2, on both engines: the run of one process, and whole files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sanetune.engine.checkpoints import pickles
from sanetune.engine.metrics import read
from sanetune.runs import Run
from tests.engine.running import train
from tests.engine.two_processes import prepared_rows
from tests.engine.two_sharded import CASES, settings
from tests.together import launch


@pytest.fixture(scope="module")
def folder(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded")
    launch("tests.engine.two_sharded", str(base), str(folder))
    return folder


@pytest.fixture(scope="module")
def ones(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """What one process makes of the same rows, on TRL's trainer."""
    found = {}
    for case in CASES:
        found[case] = run = Run.create(tmp_path_factory.mktemp("one") / case)
        config = settings(str(base), case, per_device_train_batch_size=4, ddp_backend=None)
        config.train.engine = "trl"
        train(config, prepared_rows(str(base)), run)
    return found


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.model / "model.safetensors")


def figures(run: Run) -> list[tuple[Any, ...]]:
    return [(one.step, one.kind, one.loss, one.grad_norm, one.tokens) for one in read(run.metrics)]


@pytest.mark.parametrize("case", CASES)
def test_the_losses_and_weights_are_those_of_one_process(folder: Path, ones: dict[str, Run], case: str) -> None:
    two, one = Run(folder / case), ones[case]
    assert [(r.step, r.kind, r.loss_tokens) for r in read(two.metrics)] == [
        (r.step, r.kind, r.loss_tokens) for r in read(one.metrics)
    ]
    for a, b in zip(read(two.metrics), read(one.metrics), strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
        assert a.grad_norm == (None if b.grad_norm is None else pytest.approx(b.grad_norm, rel=1e-4))
    expected = weights(one)
    assert weights(two).keys() == expected.keys()
    for name, weight in weights(two).items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_has_whole_weights_and_no_pickle(folder: Path, ones: dict[str, Run], case: str) -> None:
    two, one = Run(folder / case), ones[case]
    there = two.checkpoints / "checkpoint-2"
    assert pickles(there) == []
    name = "adapter_model.safetensors" if CASES[case]["adapter"] else "model.safetensors"
    found, expected = (load_file(run.checkpoints / "checkpoint-2" / name) for run in (two, one))
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in expected.items()}
    size, other = ((run.checkpoints / "checkpoint-2" / name).stat().st_size for run in (two, one))
    assert abs(size - other) < 4096, "an adapter has the size of one, not of its model"


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_run_is_the_undisturbed_one_bit_for_bit(folder: Path, case: str) -> None:
    run, again = Run(folder / case), Run(folder / f"{case} again")
    assert figures(again) == figures(run)
    for name, weight in weights(run).items():
        assert torch.equal(weights(again)[name], weight), name
    for name in ("optimizer.json", "optimizer.safetensors", "process-1.safetensors"):
        last = "checkpoints/checkpoint-4"
        assert (again.path / last / name).read_bytes() == (run.path / last / name).read_bytes(), name
