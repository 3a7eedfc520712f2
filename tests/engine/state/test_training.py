"""Every optimizer that a configuration can name, and every schedule, goes on bit for bit from what was saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from transformers import Adafactor, SchedulerType, TrainingArguments, get_scheduler
from transformers.trainer import Trainer

from sanetune.engine.state.processes import read_process_state, write_process_state
from sanetune.engine.state.random_states import set_random_states
from sanetune.engine.state.training import load_state, save_state
from sanetune.errors import RunError

Make = Callable[[nn.Module], torch.optim.Optimizer]
Schedule = Callable[[torch.optim.Optimizer], LRScheduler]

BY_TORCH: dict[str, Make] = {
    "adafactor, own steps": lambda model: Adafactor(model.parameters()),
    "adamw, amsgrad": lambda model: torch.optim.AdamW(model.parameters(), amsgrad=True),
    "adamw, tensor lr": lambda model: torch.optim.AdamW(
        model.parameters(), lr=torch.tensor(1e-3), capturable=False, foreach=False
    ),
    "sgd, momentum": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "rprop": lambda model: torch.optim.Rprop(model.parameters()),
    "nadam": lambda model: torch.optim.NAdam(model.parameters()),
    "adamax": lambda model: torch.optim.Adamax(model.parameters()),
    "muon": lambda model: torch.optim.Muon([one for one in model.parameters() if one.ndim == 2]),
}
BY_NAME = ("adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "adagrad", "rmsprop")


def by_name(name: str, folder: Path) -> Make:
    """The optimizer that transformers makes for ``train.optim``."""

    def make(model: nn.Module) -> torch.optim.Optimizer:
        arguments = TrainingArguments(output_dir=str(folder), optim=name, use_cpu=True, report_to="none")
        kind, given = Trainer.get_optimizer_cls_and_kwargs(arguments)
        return kind(model.parameters(), **given)  # type: ignore[no-any-return]

    return make


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def steps(net: nn.Module, optimizer: torch.optim.Optimizer, schedule: LRScheduler | None, at: range) -> None:
    for step in at:
        rows = torch.randn(4, 8, generator=torch.Generator().manual_seed(step))
        net(rows).square().mean().backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        optimizer.zero_grad()


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([one.detach().reshape(-1) for one in net.parameters()])


def resumed_as_unbroken(make: Make, folder: Path, schedule: Schedule | None = None) -> None:
    whole = model()
    optimizer = make(whole)
    planned = schedule(optimizer) if schedule else None
    steps(whole, optimizer, planned, range(3))
    save_state(folder, {"optimizer": optimizer, "scheduler": planned, "scaler": None})
    kept = {key: value.clone() for key, value in whole.state_dict().items()}
    steps(whole, optimizer, planned, range(3, 6))

    again = model()
    again.load_state_dict(kept)
    optimizer = make(again)
    planned = schedule(optimizer) if schedule else None
    load_state(folder, {"optimizer": optimizer, "scheduler": planned, "scaler": None})
    steps(again, optimizer, planned, range(3, 6))
    assert torch.equal(weights(again), weights(whole))
    assert not torch.equal(weights(again), weights(model()))
    assert not [path.name for path in folder.iterdir() if path.suffix not in (".json", ".safetensors")]


@pytest.mark.parametrize("name", BY_NAME)
def test_an_optimizer_by_its_name_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    resumed_as_unbroken(by_name(name, tmp_path), tmp_path)


@pytest.mark.parametrize("name", BY_TORCH)
def test_other_states_go_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    resumed_as_unbroken(BY_TORCH[name], tmp_path)


SCHEDULES = [one for one in SchedulerType if one not in (SchedulerType.REDUCE_ON_PLATEAU, SchedulerType.GREEDY)]
OWN_ARGUMENTS = {
    SchedulerType.WARMUP_STABLE_DECAY: {"num_decay_steps": 2},
    SchedulerType.COSINE_WITH_MIN_LR: {"min_lr_rate": 0.1},
    SchedulerType.COSINE_WARMUP_WITH_MIN_LR: {"min_lr_rate": 0.1},
}


@pytest.mark.parametrize("kind", SCHEDULES, ids=str)
def test_every_schedule_goes_on_bit_for_bit(kind: SchedulerType, tmp_path: Path) -> None:
    def schedule(optimizer: torch.optim.Optimizer) -> LRScheduler:
        found: LRScheduler = get_scheduler(
            kind,
            optimizer,
            num_warmup_steps=2,
            num_training_steps=6,
            scheduler_specific_kwargs=OWN_ARGUMENTS.get(kind, {}),
        )
        return found

    resumed_as_unbroken(lambda net: torch.optim.AdamW(net.parameters(), lr=0.01), tmp_path, schedule)


def test_a_state_like_that_of_8_bit_optimizers_goes_on_whole(tmp_path: Path) -> None:
    """bitsandbytes: bytes, a table that all share, block maxima, integer steps, and a wrapped part."""
    table = torch.linspace(-1, 1, 256)

    class Eight(torch.optim.SGD):
        taken: dict[str, object]

        def state_dict(self) -> dict[str, object]:  # type: ignore[override]
            quantised = {"state1": torch.arange(64, dtype=torch.uint8), "qmap1": table, "absmax1": torch.rand(1)}
            return {
                "state": {
                    n: {"step": 3, **quantised, "__bnb_optimizer_quant_state__": {"qmap1": table}} for n in (0, 1)
                },
                "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "t_alpha": None, "params": [0, 1]}],
            }

        def load_state_dict(self, state_dict: dict[str, object]) -> None:  # type: ignore[override]
            self.taken = state_dict

    torch.manual_seed(1)
    saved, loaded = Eight(model().parameters(), lr=0.1), Eight(model().parameters(), lr=0.1)
    torch.manual_seed(2)
    save_state(tmp_path, {"optimizer": saved})
    load_state(tmp_path, {"optimizer": loaded})
    torch.manual_seed(2)
    assert str(loaded.taken) == str(saved.state_dict())
    assert (tmp_path / "optimizer.safetensors").stat().st_size < 256 * 4 + 2 * 64 + 2000


def test_a_state_of_other_weights_or_none_is_refused(tmp_path: Path) -> None:
    net = model()
    save_state(tmp_path, {"optimizer": torch.optim.AdamW(net.parameters())})
    with pytest.raises(RunError, match=r"optimizer state of .* does not fit this run"):
        load_state(tmp_path, {"optimizer": torch.optim.AdamW(list(net.parameters())[:2])})
    with pytest.raises(RunError, match=r"scheduler state .* it is missing"):
        load_state(tmp_path, {"scheduler": torch.optim.AdamW(net.parameters())})


def test_each_process_goes_on_with_its_own_draws_and_loss(tmp_path: Path) -> None:
    import random

    import numpy as np

    def draws() -> tuple[object, ...]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    after = {}
    for rank in (0, 1):
        random.seed(rank)
        np.random.seed(rank)
        torch.manual_seed(rank)
        write_process_state(tmp_path, rank, 2, torch.tensor(0.1 + rank), {"position": rank})
        after[rank] = draws()
    for rank in (1, 0):
        stored = read_process_state(tmp_path, rank)
        assert stored is not None
        set_random_states(stored.random, 2)
        assert draws() == after[rank]
        assert torch.equal(stored.loss_since_record, torch.tensor(0.1 + rank))
        assert stored.more == {"position": rank}
    assert read_process_state(tmp_path, 2) is None
    with pytest.raises(RunError, match="random states of a checkpoint cannot be used"):
        set_random_states({"python": (3, (1, 2), None)})
