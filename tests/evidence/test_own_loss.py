"""The tokens that a trainer's own loss acts on are read off its gradient, and the trainer is not changed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sanetune.evidence.own_loss import BATCHES, TriedLoss, effective_labels

IDS = torch.tensor([[1, 2, 3, 4, 5, 6], [7, 8, 9, 1, 2, 0]])


def losses(outputs: Any, targets: torch.Tensor, shift: int = 1) -> torch.Tensor:
    length = targets.shape[1] - shift
    logits = outputs.logits[:, :length].transpose(1, 2)
    return torch.nn.functional.cross_entropy(logits, targets[:, shift:], reduction="none")


class Own:
    """As much of a trainer as the loss needs."""

    def __init__(self, loss: Callable[[Any, Any], torch.Tensor]) -> None:
        self.loss, self.calls, self.seen = loss, 0, list[int]()
        self.model, self.state = SimpleNamespace(config=None), SimpleNamespace(log_history=[])

    def compute_loss(self, model: Any, inputs: Any) -> torch.Tensor:
        self.calls += 1
        self.seen.append(self.calls)
        self.state.log_history.append({"loss": 0})
        return self.loss(model, inputs)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=12, max_size=12).filter(any))
def test_any_mask_is_found(mask: list[bool]) -> None:
    wanted = torch.tensor(mask).view(2, 6)
    wanted[:, 0] = False  # nothing can predict it
    if not wanted.any():
        return

    def loss(model: Any, inputs: Any) -> torch.Tensor:
        found: torch.Tensor = (losses(model(input_ids=IDS), IDS) * wanted[:, 1:]).sum() / wanted.sum()
        return found

    labels = effective_labels(Own(loss), {"input_ids": IDS})  # type: ignore[arg-type]
    assert torch.equal(labels, torch.where(wanted, IDS, -100))


def test_a_loss_that_wants_the_token_itself_gives_shifted_labels() -> None:
    own = Own(lambda model, inputs: losses(model(input_ids=IDS), IDS, shift=0).mean())
    labels = effective_labels(own, {"input_ids": IDS})  # type: ignore[arg-type]
    assert torch.equal(labels[:, 1:], IDS[:, :-1])


def test_the_models_own_loss_gives_the_labels_that_are_there() -> None:
    given_labels = IDS.masked_fill(IDS > 6, -100)
    own: Any = Own(lambda model, inputs: model(**inputs)["loss"])
    tried = TriedLoss.of(own, [{"input_ids": IDS, "labels": given_labels}] * 9)
    assert tried.as_labelled and len(tried.batches) == BATCHES
    assert torch.equal(tried.batches[0]["labels"][:, 1:], given_labels[:, 1:])


def test_weights_and_soft_targets_count_as_in_the_loss() -> None:
    weights = torch.tensor([1.0, 0.5, 0.0, 0.0, 0.2])
    own = Own(lambda model, inputs: (losses(model(input_ids=IDS), IDS) * weights).sum())
    assert ((effective_labels(own, {"input_ids": IDS}) != -100)[:, 1:] == (weights > 0)).all()  # type: ignore[arg-type]

    def smoothed(model: Any, inputs: Any) -> torch.Tensor:
        logits = model(input_ids=IDS).logits[:, :-1].transpose(1, 2)
        return torch.nn.functional.cross_entropy(logits, IDS[:, 1:], label_smoothing=0.1)

    soft = effective_labels(Own(smoothed), {"input_ids": IDS})  # type: ignore[arg-type]
    assert torch.equal(soft[:, 1:], IDS[:, 1:])


@pytest.mark.parametrize(
    "loss",
    [
        lambda model, inputs: model(input_ids=IDS).hidden_states[-1].mean(),
        lambda model, inputs: torch.zeros(()),
        lambda model, inputs: inputs["no such thing"],
    ],
)
def test_a_loss_that_needs_more_is_said_to_be_unproved(loss: Any) -> None:
    own: Any = Own(loss)
    tried = TriedLoss.of(own, [{"input_ids": IDS}])
    assert not tried.batches and "could not be tried" in tried.reason


def test_the_trainer_notices_nothing() -> None:
    own: Any = Own(lambda model, inputs: model(**inputs)["loss"])
    TriedLoss.of(own, [{"input_ids": IDS, "labels": IDS}])
    assert (own.calls, own.seen, own.state.log_history) == (0, [], [])
