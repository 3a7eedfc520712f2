"""Matrix products of linear layers in 32 bits by the faster of two libraries, as measured on the model's own shapes.

torch multiplies 32-bit matrices on a processor by MKL, which Intel tunes for its own processors. oneDNN is part of
torch too. Which is faster depends on processor, shape and number of threads. What is measured holds for the process, so
that the many short trainings of a check measure once.

Shapes: O numbers out and I numbers in of a layer.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

TOKENS = 512
"""Tokens of the products that are measured, fewer of large weights."""
MOST = 2**32
"""Products of two numbers in one measured product of matrices, at most: some 0.1 s of one thread."""
SMALLEST = 2**18
"""Numbers of a weight from which on it is measured: the products of smaller ones are over before that pays."""
FASTER = 1.03
"""How many times as fast oneDNN has to be."""
ROUNDS = 2
"""Times that each product is made by each library; the fastest counts."""
SAME = 1e-5
"""Largest relative difference of the libraries' results."""

Shape = tuple[int, int]
"""O and I."""


class _Context(Protocol):
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]

    def save_for_backward(self, *tensors: Tensor) -> None: ...


def _multiplied(some: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return some (..., I) @ weight (O, I).T by oneDNN."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(some, weight, bias, "none", [], "")
    return found


class _Linear(torch.autograd.Function):
    """Outputs (..., O) of inputs (..., I): forward pass and gradient of the inputs by oneDNN, of the weight by MKL.

    The gradient of a weight has as many terms as there are tokens, few of them, where MKL is not the slower one.
    """

    @staticmethod
    def forward(ctx: _Context, some: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(some, weight)
        return _multiplied(some, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        some, weight = ctx.saved_tensors
        flat = grad.reshape(-1, grad.shape[-1])
        wanted = ctx.needs_input_grad
        return (
            _multiplied(grad, weight.t()) if wanted[0] else None,
            flat.t() @ some.reshape(-1, some.shape[-1]) if wanted[1] else None,
            flat.sum(0) if wanted[2] else None,
        )


class Products:
    """The linear layers of a model, and the library that multiplies each shape of theirs.

    Example:
        >>> model = nn.Linear(1024, 512)
        >>> with Products(model).attached():
        ...     model(torch.ones(3, 1024)).shape
        torch.Size([3, 512])

    Attributes:
        shapes: Shapes of weights that oneDNN multiplies; None before the first product, which has them measured.
        note: What was measured and decided; "" before that, and where nothing was.
    """

    def __init__(self, model: nn.Module) -> None:
        self._layers = [one for one in model.modules() if type(one) is nn.Linear]  # quantised ones are another class
        self.shapes: frozenset[Shape] | None = None
        self.note = ""

    def choose(self, shapes: Sequence[Sequence[int]]) -> None:
        """Take over what an earlier process has measured: a run that goes on makes the same sums, to the last bit."""
        self.shapes = frozenset((out, numbers) for out, numbers in shapes)

    @contextlib.contextmanager
    def attached(self) -> Iterator[None]:
        """Let the layers multiply by the faster library."""
        chosen = [one for one in self._layers if _is_large(one) and "forward" not in vars(one)]
        if not torch.backends.mkldnn.is_available() or self.shapes == frozenset():
            chosen = []
        for layer in chosen:
            vars(layer)["forward"] = partial(self._forward, layer)
        try:
            yield
        finally:
            for layer in chosen:
                vars(layer).pop("forward", None)

    def _forward(self, layer: nn.Linear, some: Tensor) -> Tensor:
        mixed = torch.is_autocast_enabled("cpu") or some.dtype != torch.float32
        if not mixed and self.shapes is None:
            self._measure()
        if mixed or not some.numel() or _shape(layer) not in (self.shapes or ()):
            return functional.linear(some, layer.weight, layer.bias)
        made: Tensor = _Linear.apply(some, layer.weight, layer.bias)
        return made

    def _measure(self) -> None:
        counts = Counter(_shape(layer) for layer in self._layers if _is_large(layer))
        seconds = {shape: seconds_of(*shape, torch.get_num_threads()) for shape in counts}
        self.shapes = frozenset(shape for shape, (mkl, onednn) in seconds.items() if mkl > FASTER * onednn)
        if not self.shapes:
            return
        before = sum(counts[shape] * seconds[shape][0] for shape in counts)
        after = sum(counts[shape] * seconds[shape][shape in self.shapes] for shape in counts)
        other = "MKL" if torch.backends.mkl.is_available() else "torch's other library"
        self.note = (
            f"oneDNN multiplies {len(self.shapes)} of {len(counts)} shapes of large weights: forward pass and "
            f"gradients of activations are measured {before / after:.2f} times as fast as by {other}"
        )


def _is_large(layer: nn.Linear) -> bool:
    weight = layer.weight
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and weight.numel() >= SMALLEST


def _shape(layer: nn.Linear) -> Shape:
    return layer.out_features, layer.in_features


@functools.cache
def seconds_of(out: int, numbers: int, threads: int) -> tuple[float, float]:
    """Return the seconds of a thread that MKL and oneDNN take for outputs and for gradients of inputs, per token.

    Args:
        out: O.
        numbers: I.
        threads: How many multiply together, as torch is set.

    Returns:
        Those of oneDNN are infinite where its results are others, or there are none.
    """
    tokens = max(16, min(TOKENS, MOST // (out * numbers)))
    weight, some, grad = (_values(*shape) for shape in ((out, numbers), (tokens, numbers), (tokens, out)))
    best = [float("inf"), float("inf")]
    with torch.no_grad():
        products = ((some, weight), (grad, weight.t()))
        try:
            differ = any(_differ(functional.linear(*pair), _multiplied(*pair)) for pair in products)
        except (AttributeError, RuntimeError):  # a build of torch or a processor without these products
            differ = True
        if differ:
            return 0.0, float("inf")
        for _ in range(ROUNDS):  # in turn, so that both have the same neighbours on the machine
            for at, multiply in enumerate((functional.linear, _multiplied)):
                best[at] = min(best[at], sum(_timed(partial(multiply, *pair)) for pair in products))
    return best[0] / tokens, best[1] / tokens


def _values(rows: int, columns: int) -> Tensor:
    """Return numbers of both signs (rows, columns); no random numbers, which are the run's own."""
    return torch.linspace(-1, 1, rows * columns).mul_(1e4).sin_().view(rows, columns)


def _differ(one: Tensor, other: Tensor) -> bool:
    return not float((one - other).norm()) <= SAME * float(one.norm())


def _timed(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began
