"""Follows the bytes of all living tensors while operations run, on real tensors or on fake ones.

Fake tensors have shapes and no numbers (``torch._subclasses.FakeTensorMode``): a step of a model with billions of
weights runs on them in seconds, and allocates what a real one would.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocations(TorchDispatchMode):
    """Counts the bytes of tensors that are made inside the context, until they are freed.

    Memory that a kernel takes and returns within one operation is not seen.

    Attributes:
        now: Bytes that are alive, those of ``known`` included.
        peak: The most that were alive at once since the last :meth:`restart`.

    >>> import torch
    >>> with Allocations() as allocations:
    ...     kept = torch.zeros(1000)
    ...     _ = torch.zeros(3000).sum()
    >>> allocations.peak, allocations.now
    (16004, 4004)
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._alive: set[int] = set()
        for tensor in known:
            self._add(tensor)

    def restart(self) -> None:
        """Begin a new peak at what is alive now."""
        self.peak = self.now

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._add(leaf)
        return out

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive:
            return
        self._alive.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, key, size).atexit = False

    def _freed(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self.now -= size
