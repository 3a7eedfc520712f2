"""Muon, the optimizer of the base model's matrices: momentum whose directions all get the same weight.

With AdamW the base needed several times as many steps before it could copy a number. Source: Keller Jordan,
"Muon: An optimizer for hidden layers in neural networks", 2024. In float32, as bfloat16 is slow on many processors.
"""

from __future__ import annotations

import torch

#: Coefficients of the quintic iteration that drives all singular values of a matrix towards 1.
QUINTIC = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Each matrix of a stack (shape N, rows, columns) with its singular values brought near 1."""
    a, b, c = QUINTIC
    x: torch.Tensor = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for matrices; those of one shape are handled in one batch."""

    def __init__(
        self, matrices: list[torch.nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.01
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients at hand, with Nesterov momentum; a closure is not supported."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list] = {}
            for matrix in group["params"]:
                momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                momentum.mul_(group["momentum"]).add_(matrix.grad)
                by_shape.setdefault(matrix.shape, []).append((matrix, matrix.grad + group["momentum"] * momentum))
            for (rows, columns), pairs in by_shape.items():
                updates = orthogonal(torch.stack([direction for _, direction in pairs]))
                # A tall matrix has fewer directions than rows: without this its outputs would move less.
                size = group["lr"] * max(1, rows / columns) ** 0.5
                for (matrix, _), update in zip(pairs, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-size)
