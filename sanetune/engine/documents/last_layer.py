"""The last layer of a model, computed on the tokens whose logits are needed: of the others it gives keys and values.

What the last layer makes of a token is read by the output head alone. Where the head is not asked, queries, the
product behind attention and the feed-forward part are work for nothing; other tokens still attend to keys and values.

It is done with hooks, so that it holds for every layer that adds to its input (``x + attention(norm(x))``, then the
same with the feed-forward part), whatever its norms: the layer gets the kept tokens as its input, and the first part of
it that would read them, a norm or the attention, gets all tokens instead. Layers of another structure fail or differ
when a run compares its first documents with separate rows, and are then computed on every token.

Shapes: T tokens, M kept ones, D numbers per token.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from sanetune.engine.adapters import base_of
from sanetune.engine.documents.tree import Node, Numbers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GAP = 8
"""Tokens between two kept ones up to which they are kept as well: attention takes two products for each gap."""
MOST = 0.9
"""Fraction of the tokens from which on keeping them apart is not worth it."""

Made = Tensor | tuple[Any, ...]
"""What an attention module returns: its outputs, or those and more."""
Part = tuple[slice, slice, bool]
"""Queries, the keys that they attend to, and whether causally, which takes equally many of both."""


def parts_of(nodes: Sequence[Node]) -> list[Part]:
    """Return which queries attend to which keys: every node to itself, then descendants to their ancestors."""
    own = [slice(node.start, node.end) for node in nodes]
    below = [
        (slice(node.end, node.below), slice(node.start, node.end), False) for node in nodes if node.below > node.end
    ]
    return [*((some, some, True) for some in own), *below]


def kept_parts(nodes: Sequence[Node], places: Numbers) -> list[Part]:
    """Return the same for the queries of the tokens at ``places`` (M, ascending) alone, numbered among those.

    >>> kept_parts([Node(0, 4, 6, 0), Node(4, 6, 6, 4)], np.array([2, 3, 5]))  # doctest: +NORMALIZE_WHITESPACE
    [(slice(0, 2, None), slice(2, 4, None), True), (slice(2, 3, None), slice(5, 6, None), True),
     (slice(0, 2, None), slice(0, 2, None), False), (slice(2, 3, None), slice(0, 4, None), False),
     (slice(2, 3, None), slice(4, 5, None), False)]
    """
    causal: list[Part] = []
    whole: list[Part] = []
    for node in nodes:
        low, high, last = (int(some) for some in np.searchsorted(places, (node.start, node.end, node.below)))
        ends = [*(int(i) + 1 for i in np.flatnonzero(np.diff(places[low:high]) > 1) + low), high]
        for begin, end in zip([low, *ends], ends, strict=False):
            if begin == end:
                continue
            first = int(places[begin])
            causal.append((slice(begin, end), slice(first, first + end - begin), True))
            if first > node.start:
                whole.append((slice(begin, end), slice(node.start, first), False))
        if last > high:
            whole.append((slice(high, last), slice(node.start, node.end), False))
    return [*causal, *whole]


def closed(places: Numbers, gap: int = GAP) -> Numbers:
    """Return ``places``, ascending, with those between two that are at most ``gap`` tokens apart.

    >>> closed(np.array([3, 5, 20]), gap=4)
    array([ 3,  4,  5, 20])
    """
    if not len(places):
        return places
    runs = np.split(places, np.flatnonzero(np.diff(places) > gap + 1) + 1)
    return np.concatenate([np.arange(run[0], run[-1] + 1) for run in runs])


@dataclass(frozen=True, slots=True)
class KeptTokens:
    """The tokens that the last layer is computed on.

    Attributes:
        places: Their indices among all tokens (M).
        logits: Of these, the numbers of those whose logits are needed.
        parts: What their queries attend to.
        layer: The last layer's modules.
    """

    places: Tensor
    logits: Tensor
    parts: list[Part]
    layer: frozenset[nn.Module]


ARGUMENT = "document_kept"
"""The keyword that brings :class:`KeptTokens` from the model's call to each layer."""


class LastLayer:
    """Hooks on the last layer of a model; without a :class:`KeptTokens` in the call they do nothing."""

    def __init__(self, base: PreTrainedModel, layer: nn.Module) -> None:
        self._base, self.layer = base, layer
        self._modules = frozenset(layer.modules())
        self._kept: KeptTokens | None = None
        self._tokens = 0
        self._whole: Tensor | None = None
        self._some: Tensor | None = None

    @classmethod
    def of(cls, model: PreTrainedModel) -> LastLayer | None:
        """Return that of ``model``; None where its layers are not one list of modules."""
        layers = layers_of(model)
        return cls(base_of(model), layers[-1]) if layers else None

    def kept(self, nodes: Sequence[Node], needed: Numbers, device: torch.device) -> KeptTokens | None:
        """Return what is kept where the logits of ``needed`` are asked for; None where that leaves nothing out.

        Args:
            nodes: All nodes of the tree.
            needed: Indices of tokens, ascending.
            device: Of the model.
        """
        if getattr(self._base, "is_activation_checkpointing", False):
            return None  # the layer's forward is called a second time behind the hooks' back
        places = closed(needed)
        if not len(places) or len(places) > MOST * nodes[-1].end:
            return None
        logits = np.searchsorted(places, needed)
        among, asked = (torch.from_numpy(some).to(device) for some in (places, logits))
        return KeptTokens(among, asked, kept_parts(nodes, places), self._modules)

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Have the hooks on the layer."""
        handles = [
            self.layer.register_forward_pre_hook(self._enter, with_kwargs=True),
            *(child.register_forward_pre_hook(self._read_all, with_kwargs=True) for child in self.layer.children()),
        ]
        for name, module in self.layer.named_modules():
            match name.split(".")[-1]:
                case "q_proj":
                    handles.append(module.register_forward_pre_hook(self._leave_out))
                    handles.append(module.register_forward_hook(self._fill))
                case "o_proj":
                    handles.append(module.register_forward_pre_hook(self._leave_out))
                case "self_attn" | "attention" | "attn":
                    handles.append(module.register_forward_hook(self._give_some))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._kept = self._whole = self._some = None

    def _enter(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        """Give the layer the kept tokens."""
        self._kept, self._whole = kwargs.get(ARGUMENT), None
        if self._kept is None:
            return None
        self._whole = args[0] if args else kwargs["hidden_states"]
        self._tokens = self._whole.shape[1]
        self._some = self._whole.index_select(1, self._kept.places)
        return _replaced(args, kwargs, self._whole, self._some)

    def _read_all(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        """Give the first part of the layer that reads its input all tokens."""
        if self._whole is None or not any(one is self._some for one in (*args, *kwargs.values())):
            return None
        whole, self._whole = self._whole, None
        return _replaced(args, kwargs, self._some, whole)

    def _leave_out(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Multiply the kept tokens alone."""
        return None if self._kept is None else (args[0].index_select(1, self._kept.places), *args[1:])

    def _fill(self, _: nn.Module, args: tuple[Any, ...], made: Tensor) -> Tensor | None:
        """Put the queries where positions are counted; the zeros between them are never read."""
        return None if self._kept is None else spread(made, self._kept.places, self._tokens)

    def _give_some(self, _: nn.Module, args: tuple[Any, ...], made: Made) -> Made | None:
        """Leave the other tokens out behind the attention, where its last product has not done so."""
        out, others = (made[0], made[1:]) if isinstance(made, tuple) else (made, ())
        if self._kept is None or out.shape[1] != self._tokens:
            return None
        some = out.index_select(1, self._kept.places)
        return (some, *others) if isinstance(made, tuple) else some


def layers_of(model: PreTrainedModel) -> list[nn.Module] | None:
    """Return the layers of ``model`` in their order; None where they are not one list of modules."""
    base = base_of(model)
    count = getattr(base.config.get_text_config(), "num_hidden_layers", None)
    lists = [one for one in base.modules() if isinstance(one, nn.ModuleList) and len(one) == count]
    return list(lists[0]) if len(lists) == 1 and count else None


def spread(some: Tensor, places: Tensor, tokens: int) -> Tensor:
    """Return ``some`` (1, M, ...) at ``places`` (M) among so many ``tokens`` (1, T, ...), zeros elsewhere."""
    return some.new_zeros((1, tokens, *some.shape[2:])).index_copy(1, places, some)


def _replaced(
    args: tuple[Any, ...], kwargs: dict[str, Any], old: Tensor | None, new: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    swapped = {name: new if value is old else value for name, value in kwargs.items()}
    return tuple(new if value is old else value for value in args), swapped
