"""The short runs: each fault at several strengths, and healthy runs of many shapes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

BACKWARDS = "backwards "
"""Before the name of a data set: its answers are asked, its prompts are the answers."""
_ONE, _OTHER = ("alpaca", "gsm8k", "drone"), ("airline", "sharegpt", "demo")
PARTS = {
    "A": ("stories", _ONE),
    "B": ("demo", _OTHER),
    "C": ("stories", _OTHER),
    "D": ("demo", _ONE),
    "E": ("qwen", tuple(f"{BACKWARDS}{one}" for one in ("alpaca", "gsm8k", "airline"))),
    "F": ("gpt2", tuple(f"{BACKWARDS}{one}" for one in ("drone", "sharegpt", "demo"))),
    "G": ("olmo", ("alpaca", "drone", "sharegpt")),
}
"""The model and the data of each part: limits are set on A, and B, which shares neither, is reported; the others came
later, and are reported too."""
OWN = ("C", "D", "E", "F", "G")
"""Parts whose logs are those of this project's own runs: each step, ten evaluations and one before the first step, with
all digits of their losses. The logs of the others are those of another program."""
MIDDLE = {"stories": 2e-3, "demo": 6e-4, "qwen": 2e-3, "gpt2": 2e-3, "olmo": 2e-3}
"""A learning rate in the middle of the useful ones."""
HEALTHY = 40
"""Healthy runs of each part."""
REPEATS = 4
"""Runs of each part for a fault of one strength."""
STRENGTHS: dict[str, tuple[float, ...]] = {
    "learning rate too high": (10, 30, 100, 300),
    "learning rate zero from some step on": (0,),
    "bad batches": (1, 2, 4),
    "NaN": (0,),
    "frozen": (0,),
    "frozen later": (0,),
    "few rows": (8, 16, 32),
    "few rows, no evaluation": (16,),
    "restarts": (2, 3),
    "random labels": (0,),
    "summed": (4, 16),
    "warm-up throughout": (0.6, 1.0),
}
"""What a strength is: times the learning rate, bad batches in a row, training rows, cycles, micro-batches in a sum,
share of the run that warms up; 0: the fault has none."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        part: Key of PARTS.
        data: One of the data sets of that part.
        fault: Key of STRENGTHS; "": none.
        strength: How much of it.
        number: Of the run among those with the same fault and strength.
        lr: Peak learning rate.
        steps: Optimizer steps.
        batch: Rows of a step.
        epochs: Passes over the training rows.
        scheduler: linear, cosine, constant or wsd (constant, then down in the last fifth).
        warmup: Share of the steps that warms up.
        evaluations: How many, evenly, the last at the end; 0: none.
        first: Whether there is one before the first step.
        every: Steps between two records.
        log_norms: Whether gradient norms are logged.
        digits: Decimals of a logged loss.
        curriculum: Whether rows come by their length in the first epoch.
        onset: Step at which the fault begins; 0: with the run.
    """

    part: str
    data: str
    fault: str
    strength: float
    number: int
    lr: float
    steps: int
    batch: int
    epochs: float
    scheduler: str
    warmup: float
    evaluations: int
    first: bool
    every: int
    log_norms: bool
    digits: int
    curriculum: bool
    onset: int = 0

    @property
    def model(self) -> str:
        """stories (stories260k), demo (the embedded model), qwen, gpt2 or olmo (new ones, see training.py)."""
        return PARTS[self.part][0]

    @property
    def is_own(self) -> bool:
        """Whether its log is that of a run of this project."""
        return self.part in OWN

    @property
    def name(self) -> str:
        """A name of its own, fit for a file."""
        return f"{self.part} {self.fault or 'healthy'} {self.strength:g} {self.number}".replace(" ", "-").replace(
            ",", ""
        )

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


def cases() -> list[Case]:
    """All runs, in an order in which any first part has some of all."""
    some = [case for part in PARTS for case in _of_part(part)]
    random.Random("the order of short runs").shuffle(some)
    return some


def _of_part(part: str) -> Iterator[Case]:
    for number in range(HEALTHY):
        yield _drawn(part, "", 0, number)
    for fault, strengths in STRENGTHS.items():
        for strength in strengths:
            for number in range(REPEATS):
                yield _faulty(_drawn(part, fault, strength, number))


def _drawn(part: str, fault: str, strength: float, number: int) -> Case:
    chance = random.Random(f"{part} {fault} {strength} {number}")
    model, data = PARTS[part]
    case = Case(
        part,
        data[number % len(data)],
        fault,
        strength,
        number,
        lr=float(f"{MIDDLE[model] * 10 ** chance.uniform(-0.5, 0.3):.2e}"),
        steps=chance.choice((60, 80, 100, 120)),
        batch=chance.choice((2, 4)),
        epochs=chance.choice((1, 1, 2, 3)),
        scheduler=chance.choice(("linear", "cosine", "constant", "wsd")),
        warmup=chance.choice((0.0, 0.03, 0.1)),
        evaluations=chance.choice((0, 3, 6, 12)),
        first=chance.random() < 0.5,
        every=chance.choice((1, 1, 2, 5)),
        log_norms=chance.random() < 0.7,
        digits=chance.choice((2, 4, 4)),
        curriculum=chance.random() < 0.15,
    )
    return replace(case, evaluations=10, first=True, every=1, log_norms=True, digits=4) if case.is_own else case


def _faulty(case: Case) -> Case:
    """The case with what its fault needs; logs are of each step or of two, else 20 steps are few records."""
    case = replace(case, every=min(case.every, 2), curriculum=False, onset=0)
    match case.fault:
        case "learning rate too high":
            return replace(case, lr=MIDDLE[case.model] * case.strength)
        case "learning rate zero from some step on" | "bad batches" | "NaN":
            return replace(case, onset=round(case.steps * (0.3 + 0.1 * (case.number % 4))))
        case "frozen":
            return replace(case, steps=max(100, case.steps), every=1)
        case "frozen later":
            return replace(case, steps=160, every=1, onset=32)
        case "few rows":
            epochs = case.steps * case.batch / case.strength
            return replace(case, epochs=epochs, evaluations=12, first=True, scheduler="constant")
        case "few rows, no evaluation":
            return replace(case, batch=2, steps=64, epochs=8.0, evaluations=0, scheduler="constant", every=1)
        case "restarts":
            warm = case.warmup * case.steps
            return replace(case, scheduler="restarts", onset=round(warm + (case.steps - warm) / case.strength) + 1)
        case "summed":
            return replace(case, evaluations=max(3, case.evaluations))
        case "warm-up throughout":
            return replace(case, warmup=case.strength, scheduler="constant")
    return case
