"""Attention over nodes is attention with the mask that the documents define."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from sanetune.engine.documents.attention import ARGUMENT, UnsupportedAttentionError, document_attention
from sanetune.engine.documents.tree import PrefixTree, prefix_tree

DOCUMENTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12), min_size=1, max_size=8)


def visible(tree: PrefixTree) -> Tensor:
    """Which token sees which, by the documents and not by the nodes."""
    mask = torch.zeros(len(tree.ids), len(tree.ids), dtype=torch.bool)
    for places in tree.places:
        for position, place in enumerate(places):
            mask[place, places[: position + 1]] = True
    return mask


def inputs(tree: PrefixTree, heads: int, fewer: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = [(1, some, len(tree.ids), 8) for some in (heads, fewer, fewer)]
    return [torch.randn(shape).to(dtype).requires_grad_() for shape in shapes]


def outputs_and_gradients(out: Tensor, some: list[Tensor]) -> list[Tensor]:
    weights = torch.linspace(-1, 1, out.numel()).reshape(out.shape)
    return [out, *torch.autograd.grad((out.float() * weights).sum(), some)]


@settings(max_examples=40)
@given(DOCUMENTS, st.sampled_from([(2, 2), (6, 2)]), st.sampled_from([1, 3, None]), st.sampled_from([None, 0.7]))
def test_outputs_and_gradients_are_those_of_a_mask(
    documents: list[list[int]], heads: tuple[int, int], fewest: int | None, scale: float | None
) -> None:
    tree = prefix_tree(documents, fewest)
    some = inputs(tree, *heads)
    out, _ = document_attention(nn.Module(), *some, None, scaling=scale, **{ARGUMENT: tree.nodes})
    query, key, value = some
    wide = [one.repeat_interleave(heads[0] // heads[1], dim=1) for one in (key, value)]
    masked = functional.scaled_dot_product_attention(query, *wide, attn_mask=visible(tree), scale=scale)
    pairs = zip(outputs_and_gradients(out, some), outputs_and_gradients(masked.transpose(1, 2), some), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-5)


def test_sixteen_bits_are_as_close_as_a_mask_in_sixteen_bits() -> None:
    """Long nodes are multiplied in 16 bits, and the parts of a softmax joined in 32."""
    tree = prefix_tree([[1] * 450 + [2] * 9, [1] * 450 + [3] * 20, [1] * 450 + [3] * 9 + [4]], 4)
    some = inputs(tree, 2, 2, torch.bfloat16)
    out, _ = document_attention(nn.Module(), *some, None, **{ARGUMENT: tree.nodes})
    exact = functional.scaled_dot_product_attention(*(one.float() for one in some), attn_mask=visible(tree))
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact.transpose(1, 2), atol=1e-2, rtol=1e-2)


class Layer(nn.Module):
    is_causal = True


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        ({"softcap": 30.0}, "softcap"),
        ({"s_aux": torch.zeros(2)}, "s_aux"),
        ({"dropout": 0.1}, "dropout"),
        ({"is_causal": False}, "not causal"),
        ({"sliding_window": 2}, "last 2 tokens"),
    ],
)
def test_what_a_layer_does_besides_is_refused_by_name(given_: dict[str, object], reason: str) -> None:
    tree = prefix_tree([[1, 2, 3]], None)
    with pytest.raises(UnsupportedAttentionError, match=reason):
        document_attention(Layer(), *inputs(tree, 2, 2), None, **{ARGUMENT: tree.nodes}, **given_)


def test_a_window_that_holds_every_document_changes_nothing() -> None:
    tree = prefix_tree([[1, 2, 3], [4, 5]], None)
    some = inputs(tree, 2, 2)
    plain, _ = document_attention(Layer(), *some, None, **{ARGUMENT: tree.nodes})
    out, _ = document_attention(Layer(), *some, None, **{ARGUMENT: tree.nodes}, sliding_window=3)
    assert torch.equal(out, plain)


def test_without_nodes_it_is_the_attention_of_transformers() -> None:
    some = inputs(prefix_tree([[1, 2, 3]], None), 2, 2)
    out, _ = document_attention(Layer(), *some, None)
    torch.testing.assert_close(out, functional.scaled_dot_product_attention(*some, is_causal=True).transpose(1, 2))
