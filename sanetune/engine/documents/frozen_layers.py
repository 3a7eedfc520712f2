"""Layers that are frozen together with all below them: what they make of a document is computed once per run.

When only upper layers are trained, the input of the lowest trained one is the same in every epoch. It is captured when
a document comes for the first time, kept in a file, and given to that layer when the document comes again; the layers
below are left out then.

Shapes: T tokens of a tree, D numbers per token.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sanetune.engine.documents.kept_states import KeptStates
from sanetune.engine.documents.last_layer import layers_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sanetune.engine.documents.forward import Merged

MOST = 8 * 2**30
"""Bytes of the file, at most; and at most half of the free space."""
WORTH = 0.5
"""Fraction of the time of computing that writing and reading may take together."""
SAME = {True: 1e-4, False: 3e-2}
"""Largest relative difference of the loss of the first batch that is read: in 32 bits, and with 16."""

_OFF = b"not worth it"
"""What the file has where that was measured: a run that goes on computes as it did before."""

Result = tuple[Tensor, Tensor]


class FrozenLayers:
    """The layers below the lowest trained one.

    Attributes:
        count: How many they are.
        note: What was measured and decided; "" before that.
    """

    def __init__(self, model: PreTrainedModel, layers: Sequence[nn.Module], count: int, path: Path) -> None:
        self.count, self.note = count, ""
        self._model, self._below, self._first, self._path = model, layers[:count], layers[count], path
        self._kept: KeptStates | None = None
        self._off = self._began = self._independent = self._verified = False
        self._seen: Tensor | None = None
        self._single = True
        self._seconds = 0.0

    @classmethod
    def of(cls, model: PreTrainedModel, path: Path) -> FrozenLayers | None:
        """Return those of ``model``; None where the first layer or the embedding is trained.

        Args:
            model: The model as it trains.
            path: Where the states are kept.
        """
        if (layers := layers_of(model)) is None or model.get_input_embeddings().weight.requires_grad:
            return None
        trained = [any(weight.requires_grad for weight in layer.parameters()) for layer in layers]
        count = trained.index(True) if any(trained) else len(layers) - 1
        return cls(model, layers, count, path) if count else None

    def loss(self, merged: Merged, compute: Callable[[], Result]) -> Result:
        """Return ``compute()``, the loss of ``merged``, without the frozen layers where their outputs are kept."""
        if not self._began:
            self._go_on()
        if self._off:
            return compute()
        if (states := self._states(merged)) is not None and self._verifies(states, compute):
            with self._given(states):
                return compute()
        with self._captured():
            found = compute()
        self._keep(merged)
        return found

    def close(self, *, remove: bool) -> None:
        """Let the file go, and ``remove`` it."""
        if self._kept is not None:
            self._kept.close(remove=remove)
        elif remove:
            self._path.unlink(missing_ok=True)

    def _go_on(self) -> None:
        """Take up what the run has measured and kept before it was stopped: the same sums, to the last bit."""
        self._began = True
        if self._path.is_file() and self._path.read_bytes()[: len(_OFF)] == _OFF:
            self._off, self.note = True, f"outputs of the {self.count} frozen layers are not kept, as before"
            return
        self._kept = KeptStates.found(self._path, self._made_by(), self._room())
        if self._kept is not None:
            self._independent = True
            self.note = f"outputs of the {self.count} frozen layers are kept: {len(self._kept):,} were there already"

    def _room(self) -> int:
        there = self._path.stat().st_size if self._path.is_file() else 0
        return int(min(MOST, there + shutil.disk_usage(self._path.parent).free // 2))

    def _made_by(self) -> str:
        return _fingerprint(self._model, self._below)

    def _states(self, merged: Merged) -> Tensor | None:
        """Return the states of all tokens of the tree (1, T, D); None where one of its documents is not kept."""
        if self._kept is None or not self._independent or any(ids not in self._kept for ids in merged.ids):
            return None
        whole: Tensor | None = None
        for ids, places in zip(merged.ids, merged.tree.places, strict=True):
            some = self._kept.get(ids)
            assert some is not None, "it was there"
            if whole is None:
                whole = some.new_empty((1, len(merged.tree.ids), some.shape[1]))
            whole[0, torch.from_numpy(places)] = some
        return whole

    def _verifies(self, states: Tensor, compute: Callable[[], Result]) -> bool:
        """Return whether the loss is that of all layers; the first batch that is read decides."""
        if not self._verified:
            with torch.no_grad():
                plain = float(compute()[0].sum())
                with self._given(states):
                    found = float(compute()[0].sum())
            exact = states.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
            difference = abs(found - plain) / max(abs(plain), 1e-12)
            if not difference <= SAME[exact]:
                self._stop(f"frozen layers are computed every time: without them the loss differs by {difference:.1g}")
                return False
            self._verified = True
        return True

    def _keep(self, merged: Merged) -> None:
        """Keep what was captured; the first batch decides whether that is worth it."""
        states, self._seen = self._seen, None
        if self._off or states is None or not self._is_independent(states):
            return
        first = self._kept is None
        began = time.perf_counter()
        if self._kept is None:
            self._kept = KeptStates(self._path, self._made_by(), self._room(), states.dtype)
            began = time.perf_counter()
        for ids, places in zip(merged.ids, merged.tree.places, strict=True):
            if ids not in self._kept:
                self._kept.put(ids, states[0, torch.from_numpy(places)])
        if first:
            self._states(merged)
            self._decide(time.perf_counter() - began, sum(map(len, merged.ids)))

    def _is_independent(self, states: Tensor) -> bool:
        """Return whether nothing that is trained reaches the states; a pass with gradients shows it."""
        if not self._independent and torch.is_grad_enabled():
            if states.requires_grad:
                self._stop("frozen layers are computed every time: something below them is trained")
            elif not self._single:
                self._stop("frozen layers are computed every time: they give more than one tensor")
            self._independent = not self._off
        return self._independent

    def _decide(self, seconds: float, tokens: int) -> None:
        computing, keeping = (some / tokens * 1e6 for some in (self._seconds, seconds))
        figures = f"{keeping:,.0f} ms for 1,000 tokens of the first batch, computing them {computing:,.0f} ms"
        if keeping > WORTH * computing:
            self._stop(f"outputs of the {self.count} frozen layers are not kept: writing and reading took {figures}")
            self._path.write_bytes(_OFF)
        else:
            self.note = f"outputs of the {self.count} frozen layers are kept: writing and reading took {figures}"

    def _stop(self, note: str) -> None:
        self._off, self.note = True, note
        self.close(remove=True)
        self._kept = None

    @contextlib.contextmanager
    def _captured(self) -> Iterator[None]:
        """Note the input of the lowest trained layer, and the seconds until it is there."""
        began = time.perf_counter()

        def see(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._seen = args[0] if args else kwargs["hidden_states"]
            self._seconds = time.perf_counter() - began

        def note_type(_: nn.Module, args: tuple[Any, ...], made: object) -> None:
            self._single = isinstance(made, Tensor)

        handles = [
            self._first.register_forward_pre_hook(see, with_kwargs=True, prepend=True),
            self._below[-1].register_forward_hook(note_type),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @contextlib.contextmanager
    def _given(self, states: Tensor) -> Iterator[None]:
        """Give ``states`` to the lowest trained layer, and let those below do nothing."""

        def give(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return ((states, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": states})

        before = [vars(layer).get("forward") for layer in self._below]
        handle = self._first.register_forward_pre_hook(give, with_kwargs=True, prepend=True)
        for layer in self._below:
            vars(layer)["forward"] = _unchanged
        try:
            yield
        finally:
            handle.remove()
            for layer, forward in zip(self._below, before, strict=True):
                del vars(layer)["forward"]
                if forward is not None:
                    vars(layer)["forward"] = forward


def _unchanged(hidden_states: Tensor, *_: object, **__: object) -> Tensor:
    return hidden_states


def _fingerprint(model: PreTrainedModel, below: Sequence[nn.Module]) -> str:
    """Return what tells the weights that states depend on, and the precision of products, from others."""
    checksum = 0
    for module in (model.get_input_embeddings(), *below):
        for weight in module.parameters():
            checksum = zlib.crc32(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy(), checksum)
    mixed = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None
    return f"{len(below)} layers, {checksum}, {mixed}"
