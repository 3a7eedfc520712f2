"""The parts of a run that probes take are those of TRL's session: batches, steps, losses, short runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sanetune.curves.series import Point
from sanetune.engine.base import RunSession, ShortRun, StepBatches
from sanetune.engine.registry import engine_of
from sanetune.runs import Run

Config = Callable[..., SimpleNamespace]


class Watched:
    """Remembers a short run, and ends it after its third step."""

    def __init__(self) -> None:
        self.taken: list[StepBatches] = []
        self.points: list[Point] = []

    def begin(self) -> None:
        pass

    def batches(self, batches: StepBatches) -> None:
        self.taken.append(batches)

    def step(self, step: int) -> bool:
        return step == 3

    def point(self, point: Point) -> None:
        self.points.append(point)


@pytest.fixture
def sessions(prepared: Any, config: Config, tmp_path: Path) -> list[RunSession]:
    made = []
    for engine in ("trl", "accelerate"):
        settings = config(engine=engine, max_steps=8, gradient_accumulation_steps=2, per_device_train_batch_size=2)
        made.append(engine_of(settings).build(settings, prepared, Run.create(tmp_path / engine)))
    return made


def test_steps_losses_and_evaluations_are_those_of_trl(sessions: list[RunSession]) -> None:
    found = []
    for session in sessions:
        batches = list(session.train_batches())[:2]
        loss = session.forward_backward_step(batches)
        gradients = {name: one.grad for name, one in session.model.named_parameters() if one.grad is not None}
        losses = session.token_losses(batches[0]).detach()
        found.append((batches, loss, gradients, losses, session.evaluate(batches[1])))
    (trl, ours) = found
    for one, other in zip(trl[0], ours[0], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in ("input_ids", "labels", "attention_mask"))
    assert ours[1] == pytest.approx(trl[1], rel=1e-6)
    assert trl[2].keys() == ours[2].keys()
    assert all(torch.allclose(trl[2][name], ours[2][name], rtol=1e-4, atol=1e-6) for name in trl[2])
    assert torch.allclose(trl[3], ours[3], atol=1e-5)
    assert ours[4].tokens == trl[4].tokens
    assert ours[4].loss == pytest.approx(trl[4].loss, rel=1e-6)


def test_a_short_run_is_that_of_trl_and_leaves_the_loop_as_it_was(sessions: list[RunSession]) -> None:
    watched = [Watched(), Watched()]
    for session, watcher in zip(sessions, watched, strict=True):
        hooks = [len(module._forward_hooks) for module in session.model.modules()]
        session.train_briefly(ShortRun(6, 8, 1, list(range(0, 16, 2))), watcher)
        assert [len(module._forward_hooks) for module in session.model.modules()] == hooks
        assert all(weight.grad is None for weight in session.model.parameters())
    trl, ours = watched
    assert [point.step for point in ours.points] == [point.step for point in trl.points] == [1, 2, 3]
    for one, other in zip(trl.points, ours.points, strict=True):
        assert (other.loss, other.grad_norm) == pytest.approx((one.loss, one.grad_norm), rel=1e-5)
        assert other.lr == one.lr
    assert [(one.tokens, one.loss_tokens) for one in trl.taken] == [(one.tokens, one.loss_tokens) for one in ours.taken]


def test_the_batches_of_an_epoch_are_those_of_trl(prepared: Any, config: Config) -> None:
    epochs = []
    for engine in ("trl", "accelerate"):
        settings = config(engine=engine, per_device_train_batch_size=3, per_device_eval_batch_size=3)
        settings.model_copy = lambda deep, settings=settings: settings
        epochs.append(engine_of(settings).epoch(settings, prepared))
    for trl, ours in ((epochs[0].train, epochs[1].train), (epochs[0].validation, epochs[1].validation)):
        assert len(trl) == len(ours) > 1
        for one, other in zip(trl, ours, strict=True):
            assert torch.equal(one["input_ids"], other["input_ids"])
            assert torch.equal(one["labels"], other["labels"])
