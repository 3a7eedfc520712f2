"""Probes leave everything as it was, bit for bit, and measure what training does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.engine.loss import batch_loss
from sanetune.planning.plan import plan
from sanetune.probes.first_step import first_step
from sanetune.probes.harness import ProbeHarness, probe_harness
from sanetune.probes.lr_search import find_critical_lr, search

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"


@pytest.fixture(scope="module", params=["full", "packed", "lora"])
def harness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbeHarness]:
    torch.set_num_threads(1)
    settings: dict[str, Any] = {
        "model": {"name": str(DEMO / "model"), **({"adapter": "lora"} if request.param == "lora" else {})},
        "data": {"train": str(DEMO / "data/train.jsonl"), "max_examples": 60},
        "train": {"packing": request.param == "packed", "per_device_train_batch_size": 2, "use_cpu": True},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANETUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        config = load(settings)
        prepared = prepare(config)
        with probe_harness(plan(config, prepared).config, prepared) as made:
            yield made


def state(harness: ProbeHarness) -> list[Any]:
    weights = {name: value.clone() for name, value in harness.model.state_dict().items()}
    modes = [module.training for module in harness.model.modules()]
    return [weights, modes, random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()]


def same(before: list[Any], after: list[Any]) -> bool:
    return (
        all(torch.equal(before[0][name], after[0][name]) for name in before[0])
        and before[1:4] == after[1:4]
        and torch.equal(before[4], after[4])
    )


def test_whatever_a_probe_does_is_undone_bit_for_bit(harness: ProbeHarness) -> None:
    before = state(harness)
    with harness.untouched(training=True), harness.optimizer() as optimizer:
        harness.gradients()
        optimizer.step()
        random.random(), np.random.rand(), torch.rand(3)
        assert not same(before, state(harness))
    assert same(before, state(harness))
    assert all(weight.grad is None for weight in harness.trained().values())
    assert harness.session.trainer.optimizer is None


def test_a_probe_that_fails_is_undone_too(harness: ProbeHarness) -> None:
    before = state(harness)

    def broken() -> None:
        with harness.untouched(), harness.optimizer() as optimizer:
            harness.gradients()
            optimizer.step()
            raise MemoryError

    with pytest.raises(MemoryError):
        broken()
    assert same(before, state(harness))


def test_the_loss_is_that_of_training_and_that_of_the_definition(harness: ProbeHarness) -> None:
    with harness.untouched():
        measured = harness.loss()
        with torch.no_grad():
            defined = float(batch_loss(harness.model, harness.batches))
        trained = harness.gradients()
    assert measured == pytest.approx(defined, abs=1e-5)
    assert measured == pytest.approx(trained, abs=1e-5)


def test_the_critical_lr_divides_steps_that_lower_the_loss_from_those_that_raise_it(harness: ProbeHarness) -> None:
    before = state(harness)
    found = find_critical_lr(harness, 1e-3)
    assert same(before, state(harness))
    assert found.lr is not None and found.best_lr is not None
    for lr, loss in found.tried:
        assert (loss < found.start_loss) == (lr < found.lr)
    assert 1e-4 < found.lr < 1


@pytest.mark.parametrize("harness", ["lora"], indirect=True)
def test_the_critical_lr_hardly_depends_on_the_planned_one(harness: ProbeHarness) -> None:
    lrs = [find_critical_lr(harness, planned).lr for planned in (1e-4, 1e-1)]
    assert lrs[0] is not None and lrs[1] is not None
    assert 1 / 2 < lrs[0] / lrs[1] < 2


def test_the_line_search_finds_where_a_parabola_comes_back_to_its_start() -> None:
    for planned in (1e-6, 1e-3, 0.5, 10.0):
        found = search(lambda lr: (lr - 1.0) ** 2, planned)
        assert found.lr == pytest.approx(2.0, rel=0.1)
        assert found.best_lr is not None and 0.5 <= found.best_lr < 2.0


def test_a_loss_that_never_turns_has_no_critical_lr() -> None:
    assert search(lambda lr: -lr, 1e-3).lr is None
    assert search(lambda lr: lr, 1e-3).lr is None


def test_the_first_step_says_what_gradients_and_optimizer_do(harness: ProbeHarness) -> None:
    """Gradients come from the definition of the loss, not from the engine.

    Adam's first step is the learning rate, whatever the gradient's size, and so moves every weight that has one.
    """
    before = state(harness)
    found = first_step(harness)
    assert same(before, state(harness))
    assert found.has_gradients and found.dtype == "float32" and found.lr == harness.settings.learning_rate
    with harness.untouched():
        loss = batch_loss(harness.model, harness.batches)
        loss.backward()
        assert found.loss == pytest.approx(float(loss.detach()), abs=1e-5)
        for name, weight in harness.trained().items():
            update = found.updates[name]
            assert weight.grad is not None and update.squared_grad_norm is not None and update.size == weight.numel()
            assert update.squared_grad_norm == pytest.approx(
                float(weight.grad.double().square().sum()), rel=1e-3, abs=1e-9
            )
            assert update.changed <= update.nonzero_grads <= update.size
            assert update.changed >= 0.99 * update.nonzero_grads
    assert sum(update.changed for update in found.updates.values()) > 0
