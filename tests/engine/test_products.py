"""Linear layers multiply by the library that was measured as the faster one, and their results stay the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from sanetune.engine import products
from sanetune.engine.products import Products


def gradients(model: nn.Module, some: torch.Tensor) -> list[torch.Tensor]:
    made = model(some)
    made.square().sum().backward()
    found = [made.detach(), *(weight.grad.clone() for weight in model.parameters() if weight.grad is not None)]
    model.zero_grad()
    return found


def faster(monkeypatch: pytest.MonkeyPatch, onednn: float) -> None:
    monkeypatch.setattr(products, "seconds_of", lambda *_: (1.0, onednn))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_outputs_and_gradients_are_those_of_torch(monkeypatch: pytest.MonkeyPatch, bias: bool, frozen: bool) -> None:
    faster(monkeypatch, 0.5)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(512, 513, bias), nn.SiLU(), nn.Linear(513, 512, bias))
    model[0].weight.requires_grad_(not frozen)
    some = torch.randn(2, 7, 512)
    expected, chosen = gradients(model, some), Products(model)
    with chosen.attached():
        found = gradients(model, some)
        made = model(some)
    assert chosen.shapes == {(513, 512), (512, 513)}
    assert "_Linear" in type(made.grad_fn).__name__
    assert "2.00 times as fast" in chosen.note
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).norm()) <= 1e-6 * float(other.norm())
    assert not any("forward" in vars(layer) for layer in model)


def test_a_slower_library_a_small_weight_and_16_bits_stay_with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    model, small = nn.Linear(512, 512), nn.Linear(8, 8)
    for onednn, layer, expected in ((0.99, model, frozenset()), (0.5, small, None)):
        faster(monkeypatch, onednn)
        chosen = Products(layer)
        with chosen.attached():
            made = layer(torch.ones(3, layer.in_features))
        assert "_Linear" not in type(made.grad_fn).__name__
        assert (chosen.shapes, chosen.note) == (expected, "")
    with (chosen := Products(model)).attached(), torch.autocast("cpu", torch.bfloat16):
        assert model(torch.ones(3, 512)).dtype == torch.bfloat16
    assert chosen.shapes is None


def test_what_was_chosen_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "seconds_of", lambda *_: pytest.fail("measured"))
    model = nn.Linear(512, 512)
    chosen = Products(model)
    chosen.choose([[512, 512]])
    with chosen.attached():
        assert "_Linear" in type(model(torch.ones(3, 512)).grad_fn).__name__


def test_both_libraries_are_measured_per_token() -> None:
    mkl, onednn = products.seconds_of(512, 512, torch.get_num_threads())
    assert 0 < mkl < 0.1
    assert 0 < onednn < 0.1


def test_a_torch_without_these_products_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> torch.Tensor:
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(products, "_multiplied", missing)
    monkeypatch.setattr(products, "seconds_of", products.seconds_of.__wrapped__)
    model = nn.Linear(512, 512)
    with (chosen := Products(model)).attached():
        assert torch.equal(model(torch.ones(3, 512)), functional.linear(torch.ones(3, 512), model.weight, model.bias))
    assert (chosen.shapes, chosen.note) == (frozenset(), "")


def test_other_results_are_never_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_multiplied", lambda some, weight: some @ weight.t() * 1.001)
    assert products.seconds_of(512, 516, 1) == (0.0, float("inf"))
