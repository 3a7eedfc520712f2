"""The runs of `bench.outcome`: models and data crossed with learning rates over three decades, settings and faults.

There are brief runs, of which a trial is some 20 steps, and long ones, of which it is the 200 that a trial has."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.outcome.rows import DATA, long_pairs

MODELS = {
    "stories": 2e-3,
    "stories-chat": 1e-3,
    "stories-chat lora": 5e-3,
    "demo-chat": 6e-4,
    "demo-chat lora": 4e-3,
}
"""Models with a learning rate in the middle of the useful ones. `-chat`: stories260k and the embedded model after a run
on conversations of three of the data sets, whose rows are in no set-up; most base models have seen conversations."""
FIRST = (0.01, 0.1, 0.316, 1.0, 3.16, 10.0)
SECOND = (0.032, 0.316, 1.0, 3.16, 32.0)
"""Multiples of that learning rate in the two families of runs of a set-up. Runs of a family differ in nothing else, so
that a run at 3.16 times the learning rate is what a learning-rate comparison sees."""
ROW_FAULTS = ("shuffled answers", "garbled answers", "other data", "few rows", "one answer")
LABEL_FAULTS = ("labels on prompt", "labels shifted")
LOOP_FAULTS = ("no clipping", "warm-up throughout")
FAULTS = (*ROW_FAULTS, *LABEL_FAULTS, *LOOP_FAULTS)
PER_SETUP = 5
ROWS_SEEN = 360
"""Rows that a brief run sees, at most: the computing time is theirs."""
TRIAL = 200
"""Steps of a trial of a long run: as many as `check.trial_steps` has."""
LONG_STEPS = (400, 1_600)
"""Fewest and most steps of a long run."""
LONG_DATA = ("gsm8k", "alpaca", "airline", "demo")
"""Data sets of the long runs: those with some hundred rows."""
LONG_FIRST, LONG_SECOND, LONG_FAULTS = (0.032, 0.316, 1.0, 3.16), (0.1, 1.0, 10.0), 3
"""Multiples of the learning rate in both families of long runs of a set-up, and its runs with a fault."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        model: Key of MODELS.
        data: Key of DATA.
        family: Runs of one family differ in their learning rate alone.
        lr: Peak learning rate.
        steps: Optimizer steps.
        batch: Rows of a step.
        epochs: Passes over the training rows, of which there are as many as that makes; more passes where the data set
            has fewer rows.
        scheduler: Name of the schedule, as transformers has it.
        warmup: Share of the steps that warms up.
        clip: Gradient norm at which gradients are clipped; 0: they are not.
        fault: Name of the fault; "": none.
        seed: Of order and adapter.
        long: Whether its trial is of :data:`TRIAL` steps.
    """

    model: str
    data: str
    family: str
    lr: float
    steps: int
    batch: int
    epochs: float
    scheduler: str
    warmup: float
    clip: float = 1.0
    fault: str = ""
    seed: int = 0
    long: bool = False

    @property
    def name(self) -> str:
        """A name of its own, fit for a file."""
        fault = self.fault.replace(" ", "-") or "sound"
        return f"{self.model}-{self.data}-{self.family}-{fault}-{self.lr:.2e}".replace(" ", "_")

    @property
    def rows(self) -> int:
        """Training rows, where the data set has as many."""
        return max(4, round(self.steps * self.batch / self.epochs))

    @property
    def setup(self) -> str:
        """Model and data."""
        return f"{self.model} on {self.data}"

    def to_json(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)


def cases() -> list[Case]:
    """All brief runs, in an order in which any first part has all set-ups."""
    some = [case for model in MODELS for data in DATA for case in _of_setup(model, data)]
    random.Random("the order of the runs").shuffle(some)
    return some


def long_cases() -> list[Case]:
    """All long runs, in such an order too."""
    some = [case for model in MODELS for data in LONG_DATA for case in _long_of_setup(model, data)]
    random.Random("the order of the long runs").shuffle(some)
    return some


def _long_of_setup(model: str, data: str) -> Iterator[Case]:
    chance = random.Random(f"{model} on {data}, long")
    middle = MODELS[model]
    for family, multiples in (("long-a", LONG_FIRST), ("long-b", LONG_SECOND)):
        base = _drawn(chance, model, data, family, long=True)
        for multiple in multiples:
            yield replace(base, lr=_short(middle * multiple))
    for number, fault in enumerate(chance.sample(FAULTS, LONG_FAULTS)):
        base = replace(_drawn(chance, model, data, f"long-f{number}", long=True), fault=fault)
        yield _with_fault(replace(base, lr=_short(middle * 10 ** chance.uniform(-1, 0.7))), middle, chance)


def _of_setup(model: str, data: str) -> Iterator[Case]:
    chance = random.Random(f"{model} on {data}")
    middle = MODELS[model]
    for family, multiples in (("a", FIRST), ("b", SECOND)):
        base = _drawn(chance, model, data, family)
        for multiple in multiples:
            yield replace(base, lr=_short(middle * multiple))
    for number, fault in enumerate(chance.sample(FAULTS, PER_SETUP)):
        base = replace(_drawn(chance, model, data, f"f{number}"), fault=fault)
        yield _with_fault(replace(base, lr=_short(middle * 10 ** chance.uniform(-1, 0.7))), middle, chance)


def _drawn(chance: random.Random, model: str, data: str, family: str, long: bool = False) -> Case:
    batch = chance.choice((2, 4))
    if long:
        steps = round(math.exp(chance.uniform(*map(math.log, LONG_STEPS))))
        # More passes where the data set has fewer rows.
        epochs = max(chance.choice((1, 2, 3)), round(steps * batch / len(long_pairs(data)[0]), 2))
    else:
        steps = chance.randrange(60, min(110, ROWS_SEEN // batch) + 1)
        epochs = chance.choice((1, 2, 3, 4, 5))
    return Case(
        model,
        data,
        family,
        lr=0.0,
        steps=steps,
        batch=batch,
        epochs=epochs,
        scheduler=chance.choice(("linear", "linear", "cosine", "cosine", "constant_with_warmup")),
        warmup=chance.choice((0.0, 0.03, 0.1)),
        seed=chance.randrange(1000),
        long=long,
    )


def _with_fault(case: Case, middle: float, chance: random.Random) -> Case:
    match case.fault:
        case "few rows":
            return replace(case, epochs=40.0)
        case "no clipping":
            return replace(case, clip=0.0, lr=_short(middle * 10 ** chance.uniform(0, 1.5)))
        case "warm-up throughout":
            return replace(case, warmup=0.9)
    return case


def _short(lr: float) -> float:
    return float(f"{lr:.2e}")
