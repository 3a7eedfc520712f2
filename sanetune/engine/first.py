"""One step of the run's own optimizer on the first batches: what several checks read, taken once and undone."""

from __future__ import annotations

from dataclasses import dataclass

from sanetune.engine.lab import Lab


@dataclass(frozen=True, slots=True)
class Pull:
    """What the step did to one trained tensor of ``size`` numbers. ``square``: its gradient's squared norm (None: it
    has none); ``felt``: numbers whose gradient is not zero; ``moved``: those of them that the step has changed."""

    size: int
    square: float | None
    felt: int
    moved: int


@dataclass(frozen=True, slots=True)
class FirstStep:
    """``pulls``: by tensor; ``rate``: the planned peak, at which the step was made; ``dtype``: of the weights, e.g.
    bfloat16."""

    loss: float
    rate: float
    dtype: str
    pulls: dict[str, Pull]

    @property
    def learns(self) -> bool:
        """Whether any weight gets a gradient."""
        return any(pull.square is not None for pull in self.pulls.values())


def first_step(lab: Lab) -> FirstStep:
    """Dropout off, gradients not clipped; weights and random states are put back."""
    weights = lab.trained()
    with lab.untouched(), lab.optimizer() as optimizer:
        loss = lab.gradients()
        felt = {name: weight.grad != 0 for name, weight in weights.items() if weight.grad is not None}
        squares = {name: float(weights[name].grad.double().square().sum()) for name in felt}  # type: ignore[union-attr]
        before = {name: weights[name].detach().clone() for name in felt}
        optimizer.step()
        moved = {name: int((felt[name] & (weights[name] != before[name])).sum()) for name in felt}
        rate = float(optimizer.param_groups[0]["lr"])
    pulls = {
        name: Pull(weight.numel(), squares.get(name), int(felt[name].sum()) if name in felt else 0, moved.get(name, 0))
        for name, weight in weights.items()
    }
    dtype = str(next(iter(weights.values())).dtype).removeprefix("torch.") if weights else ""
    return FirstStep(loss, rate, dtype, pulls)
