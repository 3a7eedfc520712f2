"""Which layers a model's data pulls at, and how much of their weights stands out of noise."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MatrixSignal:
    """One weight matrix of a layer.

    Attributes:
        kind: What it is, the same in each layer: ``mlp.down_proj``.
        block: Number of its layer.
        parameters: Numbers in it.
        snr: Sum of its singular values above the edge of noise, over that of those below it and over the largest.
        above: Singular values above the edge.
        noise: Standard deviation of the entries of its noise.
    """

    kind: str
    block: int
    parameters: int
    snr: float
    above: int
    noise: float


@dataclass(frozen=True, slots=True)
class BlockGradient:
    """All weights of a layer.

    Attributes:
        block: Its number.
        parameters: Numbers in them.
        weight: Euclidean norm of the weights.
        gradients: Norm of the gradient of the loss, in nats, on each half of the rows; one where they have no halves.
    """

    block: int
    parameters: int
    weight: float
    gradients: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Mean norm of the gradient over the norm of the weights; NaN for weights of zero."""
        return sum(self.gradients) / len(self.gradients) / self.weight if self.weight else math.nan


@dataclass(frozen=True, slots=True)
class LayerRanking:
    """All layers of a model.

    Attributes:
        prefix: What is before a layer's number in names: ``layers``.
        blocks: The layers, in their order.
        matrices: Their weight matrices.
        parameters: Numbers in all weights of the model.
        loss_tokens: Tokens in the loss that the gradients are of.
        unseen: Tokens of the rows that the base has never seen.
        token_modules: What has the rows of those tokens, and is trained beside any choice of layers: of a choice alone
            they would stay as they were drawn.
    """

    prefix: str
    blocks: tuple[BlockGradient, ...]
    matrices: tuple[MatrixSignal, ...]
    parameters: int
    loss_tokens: int
    unseen: tuple[str, ...] = ()
    token_modules: tuple[str, ...] = ()

    @property
    def agreement(self) -> float:
        """Rank correlation (Spearman) of the layers by the gradients of both halves of the rows.

        NaN for fewer than three layers, and where the rows have no halves.
        """
        if len(self.blocks) < 3 or any(len(one.gradients) < 2 for one in self.blocks):
            return math.nan
        from scipy.stats import spearmanr

        halves = ([one.gradients[at] / one.weight for one in self.blocks] for at in (0, 1))
        return float(spearmanr(*halves).statistic)

    def by_gradient(self, share: float) -> list[str]:
        """Return patterns of the layers with the highest gradient over weight.

        Args:
            share: Fraction of the layers, one at least.
        """
        ranked = sorted(self.blocks, key=lambda one: -one.ratio)
        found = number_patterns(self.prefix, [one.block for one in ranked[: most(len(ranked), share)]])
        return [*found, *self.token_modules]

    def by_signal(self, share: float) -> list[str]:
        """Return patterns of the matrices with the highest signal-to-noise, the same number of each kind.

        Args:
            share: Fraction of the matrices of a kind, one at least.
        """
        found = []
        for kind, some in self.by_kind().items():
            ranked = sorted(some, key=lambda one: -one.snr)
            chosen = [one.block for one in ranked[: most(len(ranked), share)]]
            found += [f"{one}.{kind}" for one in number_patterns(self.prefix, chosen)]
        return [*found, *self.token_modules]

    def by_kind(self) -> Mapping[str, list[MatrixSignal]]:
        """Return the matrices of each kind."""
        found: dict[str, list[MatrixSignal]] = {}
        for one in self.matrices:
            found.setdefault(one.kind, []).append(one)
        return found

    def signals(self) -> dict[int, float]:
        """Return the mean signal-to-noise of each layer's matrices, each as a fraction of the best of its kind."""
        best = {kind: max(one.snr for one in some) for kind, some in self.by_kind().items()}
        parts: dict[int, list[float]] = {}
        for one in self.matrices:
            if best[one.kind]:
                parts.setdefault(one.block, []).append(one.snr / best[one.kind])
        return {block: sum(some) / len(some) for block, some in sorted(parts.items())}


def most(count: int, share: float) -> int:
    """Return how many of ``count`` a share is: rounded, and one at least."""
    return max(1, round(count * share))


def number_patterns(prefix: str, numbers: Iterable[int]) -> list[str]:
    """Return patterns for ``model.freeze`` or ``model.train_only`` that match the layers with these numbers alone.

    >>> number_patterns("layers", [12, 3, 10, 5, 27])
    ['layers.[35]', 'layers.1[02]', 'layers.27']
    """
    tens: dict[int, list[int]] = {}
    for number in sorted(set(numbers)):
        tens.setdefault(number // 10, []).append(number % 10)
    found = []
    for ten, digits in sorted(tens.items()):
        start = str(ten) if ten else ""
        end = str(digits[0]) if len(digits) == 1 else f"[{''.join(map(str, digits))}]"
        found.append(f"{prefix}.{start}{end}")
    return found
