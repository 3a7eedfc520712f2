"""The state of a run under DeepSpeed goes to disk whole and comes back, without a pickle."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest
import torch

from sanetune.engine import checkpoints
from sanetune.engine.state.training import load_state, save_state
from sanetune.engine.zero import COUNTERS, ZeroOptimizer
from sanetune.errors import ConfigError, RunError


class DeepSpeedZeroOptimizer:
    """Has one flat piece, as DeepSpeed's stage 2 has on one process, and AdamW's state over it."""

    def __init__(self, model: torch.nn.Module) -> None:
        flat = torch.cat([one.detach().flatten() for one in model.parameters()])
        self.single_partition_of_fp32_groups = [torch.nn.Parameter(flat)]
        self.optimizer = torch.optim.AdamW(self.single_partition_of_fp32_groups, lr=0.1)
        self.loss_scaler = types.SimpleNamespace(cur_scale=1.0, dynamic=False)

    def step(self) -> None:
        (flat,) = self.single_partition_of_fp32_groups
        flat.grad = torch.arange(1.0, len(flat) + 1)
        self.optimizer.step()


class BF16_Optimizer:  # noqa: N801 -- DeepSpeed's name
    """Keeps its state in another way."""


def engine_of(width: int = 3) -> types.SimpleNamespace:
    torch.manual_seed(0)
    module = torch.nn.Linear(width, 2)
    return types.SimpleNamespace(module=module, optimizer=DeepSpeedZeroOptimizer(module), **dict.fromkeys(COUNTERS, 0))


@pytest.fixture(autouse=True)
def deepspeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed's functions that find a weight's part of the flat pieces, for the newest engine."""
    engines: list[types.SimpleNamespace] = []

    def part(weight: torch.nn.Parameter, key: str | None = None) -> torch.Tensor:
        engine = next(one for one in engines if any(weight is own for own in one.module.parameters()))
        zero, at = engine.optimizer, 0
        (flat,) = zero.single_partition_of_fp32_groups
        whole = flat.data if key is None else zero.optimizer.state[flat][key]
        for own in engine.module.parameters():
            if own is weight:
                return whole[at : at + own.numel()].view_as(own)
            at += own.numel()
        raise KeyError(key)

    utils = types.ModuleType("deepspeed.utils")
    utils.engines = engines  # type: ignore[attr-defined]
    utils.safe_get_full_fp32_param = part  # type: ignore[attr-defined]
    utils.safe_get_full_optimizer_state = part  # type: ignore[attr-defined]
    utils.safe_set_full_fp32_param = lambda weight, value: part(weight).copy_(value)  # type: ignore[attr-defined]
    utils.safe_set_full_optimizer_state = (  # type: ignore[attr-defined]
        lambda weight, value, key: part(weight, key).copy_(value)
    )
    monkeypatch.setitem(sys.modules, "deepspeed.utils", utils)


def known(engine: types.SimpleNamespace) -> types.SimpleNamespace:
    sys.modules["deepspeed.utils"].engines.append(engine)  # type: ignore[attr-defined]
    return engine


def test_a_run_that_goes_on_makes_the_steps_of_the_undisturbed_one(tmp_path: Path) -> None:
    begun = known(engine_of())
    begun.optimizer.step()
    begun.global_steps = 1
    save_state(tmp_path, {"optimizer": ZeroOptimizer(begun)})
    assert not checkpoints.pickles(tmp_path)
    begun.optimizer.step()
    resumed = known(engine_of())
    load_state(tmp_path, {"optimizer": ZeroOptimizer(resumed)})
    resumed.optimizer.step()
    flats = [one.optimizer.single_partition_of_fp32_groups[0] for one in (begun, resumed)]
    assert torch.equal(*flats)
    states = [one.optimizer.optimizer.state[flat] for one, flat in zip((begun, resumed), flats, strict=True)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in ("exp_avg", "exp_avg_sq", "step"))
    assert resumed.global_steps == 1


def test_a_state_of_other_weights_is_refused(tmp_path: Path) -> None:
    begun = known(engine_of())
    begun.optimizer.step()
    save_state(tmp_path, {"optimizer": ZeroOptimizer(begun)})
    other = known(engine_of(width=4))
    with pytest.raises(RunError, match="does not fit this run"):
        load_state(tmp_path, {"optimizer": ZeroOptimizer(other)})


def test_a_state_sets_only_what_the_run_has(tmp_path: Path) -> None:
    begun, resumed = known(engine_of()), known(engine_of())
    begun.optimizer.step()
    state = ZeroOptimizer(begun).state_dict()
    state["groups"] = [{"params": [], "lr": 0.5, "odd": 1}]
    state["scaler"] = {"cur_scale": 2.0, "__class__": 1}
    ZeroOptimizer(resumed).load_state_dict(state)
    (group,) = resumed.optimizer.optimizer.param_groups
    assert (len(group["params"]), group["lr"], "odd" in group) == (1, 0.5, False)
    assert vars(resumed.optimizer.loss_scaler) == {"cur_scale": 2.0, "dynamic": False}


def offloaded(swapped: bool) -> object:
    """DeepSpeed's stage 3 with its optimizer offloaded, to files (nvme) or to main memory."""
    zero = type("DeepSpeedZeroOptimizer_Stage3", (), {})()
    zero.swap_optimizer, zero.optimizer = swapped, None
    return zero


@pytest.mark.parametrize(
    ("optimizer", "words"), [(BF16_Optimizer(), "in its BF16_Optimizer"), (offloaded(True), "in files")]
)
def test_an_optimizer_that_only_a_pickle_could_keep_is_refused_with_what_to_set(optimizer: object, words: str) -> None:
    engine = types.SimpleNamespace(module=torch.nn.Linear(2, 2), optimizer=optimizer)
    with pytest.raises(ConfigError, match=words) as caught:
        ZeroOptimizer(engine)
    assert "train.save_only_model: true" in caught.value.remedy and "nvme" in caught.value.remedy


def test_an_optimizer_that_is_offloaded_to_main_memory_is_not_refused() -> None:
    ZeroOptimizer(types.SimpleNamespace(module=torch.nn.Linear(2, 2), optimizer=offloaded(False)))
