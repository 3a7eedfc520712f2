"""Evidence that needs the real model: probes on it, then overfit, trial and samples.

Every process of a launch builds it, with the same batches; the trial alone shares its work among them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sanetune.config.schema import CheckSection, Config
from sanetune.evidence.registry import Builder, MissingError

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared
    from sanetune.evidence.conversations import Talks
    from sanetune.evidence.prompt_answer_overlap import Pairing
    from sanetune.forecast.forecast import Forecast
    from sanetune.planning.plan import Plan
    from sanetune.probes.first_step import FirstStep
    from sanetune.probes.harness import Lab
    from sanetune.probes.heldout import Held
    from sanetune.probes.lr_comparison import Branches
    from sanetune.probes.lr_search import Critical
    from sanetune.probes.overfit import Overfit
    from sanetune.probes.peak_memory import LargestStep
    from sanetune.probes.prompt_swap import Own
    from sanetune.probes.samples import Samples
    from sanetune.probes.trial import Trial

Tell = Callable[[str, int, int], None]
"""Hears (what is done, steps done, steps in all)."""

SHOWN = 3
"""Rows of the pairing that are shown."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The trial, the samples at its end, and how it tells held-out answers from others'."""

    trial: Trial
    samples: Samples
    own: Own


@dataclass(slots=True)
class Protocol:
    """Builders for ``config`` at ``level``; ``stack`` lets the model go when it closes."""

    config: Config
    level: str
    stack: ExitStack
    tell: Tell = lambda what, done, of: None
    began: float = field(default_factory=time.perf_counter)

    def builders(self) -> dict[str, Builder]:
        """Cheapest first."""
        if self.level == "static":
            return {}
        found: dict[str, Builder] = {
            # Before all that needs the lab: where a batch does not fit, that is to be said first.
            "largest": largest_of,
            "lab": self.lab,
            "first_step": first_step_of,
            "critical": critical_of,
            "pairing": self.pairing if self.level == "trial" else pairing_of,
        }
        if self.level == "trial":
            found |= {
                "held": held_of,
                "overfit": self.overfit,
                "earlier": lambda: None,
                "branches": self.branches,
                "tried": self.tried,
                "trial": lambda tried: tried.trial,
                "curve": lambda trial: trial.curve,
                "samples": lambda tried: tried.samples,
                "forecast": self.forecast,
            }
        return found

    @property
    def section(self) -> CheckSection:
        return self.config.check

    def lab(self, plan: Plan, prepared: Prepared) -> Lab:
        """The trainer of the run with the real model, and its first batches."""
        from sanetune.probes.harness import laboratory

        return self.stack.enter_context(laboratory(plan.config, prepared))

    def pairing(self, lab: Lab, talks: Talks, tried: Tried) -> Pairing:
        return replace(pairing_of(lab, talks), after=tried.own)

    def overfit(self, lab: Lab, plan: Plan, first_step: FirstStep, critical: Critical) -> Overfit:
        from sanetune.probes.overfit import overfit

        section = self.section
        _learning(first_step)
        found = overfit(
            lab,
            critical,
            plan.steps.learning_rate,
            examples=section.overfit_examples,
            steps=section.overfit_steps,
            tell=lambda done, of: self.tell("overfitting a few examples", done, of),
        )
        if found is None:
            raise MissingError("no example has a token to learn")
        return found

    def branches(
        self, lab: Lab, plan: Plan, held: Held, first_step: FirstStep, critical: Critical, earlier: Branches | None
    ) -> Branches:
        """``earlier``: those of a round before, of a run that differs in its rate alone."""
        from sanetune.probes.lr_comparison import STEPS, branches

        _learning(first_step)
        if len(held) < 2:
            raise MissingError("there are no rows to hold out, on which rates could be compared")
        if plan.steps.learning_rate <= 0:
            raise MissingError("the planned rate is zero")
        return branches(
            lab,
            plan.steps.learning_rate,
            held,
            critical.rate,
            steps=min(STEPS, max(5, plan.steps.total_steps)),
            earlier=earlier,
            tell=lambda done, of: self.tell("comparing rates", done, of),
        )

    def tried(self, lab: Lab, plan: Plan, held: Held, prepared: Prepared, first_step: FirstStep) -> Tried:
        """The trial, with the base's answers before it and the tuned ones at its end."""
        from sanetune.probes.prompt_swap import PAIRS, own_gain
        from sanetune.probes.trial import Wanted, run

        _learning(first_step)
        steps = plan.steps
        wanted = Wanted(
            min(self.section.trial_steps, steps.total_steps),
            steps.total_steps,
            steps.warmup_steps,
            steps.steps_per_epoch,
            self.section.trial_eval_steps,
        )
        asked = _Asked(lab, prepared, self.config, self.section.samples)
        split = "validation" if prepared.validation is not None else "train"
        trial, (samples, own) = run(
            lab,
            wanted,
            held,
            lambda: (asked.again(), own_gain(lab, split, PAIRS)),
            lambda done, of: self.tell("trial", done, of),
        )
        return Tried(trial, replace(samples, steps=trial.done), own)

    def forecast(self, plan: Plan, prepared: Prepared, trial: Trial, lab: Lab) -> Forecast:
        """What the whole run will take, and what the check has taken of that so far."""
        from sanetune.forecast.forecast import forecast_of
        from sanetune.forecast.machine import machine_of

        if not trial.done:
            raise MissingError("the trial made no step")
        return forecast_of(plan, prepared, trial, self.config, time.perf_counter() - self.began, machine_of(lab))


class _Asked:
    """The same prompts, asked before and after."""

    def __init__(self, lab: Lab, prepared: Prepared, config: Config, count: int) -> None:
        from sanetune.probes.prompts import answers, longest, prompts_for

        prompts = prompts_for(prepared, config.run.sample_prompts, count)
        self.prepared, self.prompts, self.most = prepared, prompts, longest(prepared, prompts)
        self._ask = lambda: answers(lab.model, prepared, prompts)
        self.before: list[Any] = self._ask()

    def again(self) -> Samples:
        from sanetune.engine.generate import stop_ids
        from sanetune.probes.samples import Sample, Samples

        asked, after = self.prompts, self._ask()
        both = zip(asked.messages, asked.references, asked.places, self.before, after, strict=True)
        tokenizer = self.prepared.tokenizer
        return Samples(
            [Sample(messages, reference, base, tuned, *place) for messages, reference, place, base, tuned in both],
            self.most,
            specials=tuple(tokenizer.all_special_tokens),
            stops=tuple(stop_ids(tokenizer, self.prepared.stop_token_ids)),
        )


def largest_of(lab: Lab) -> LargestStep:
    from sanetune.probes.peak_memory import largest_step

    return largest_step(lab)


def first_step_of(lab: Lab) -> FirstStep:
    from sanetune.probes.first_step import first_step

    return first_step(lab)


def critical_of(lab: Lab, plan: Plan, first_step: FirstStep) -> Critical:
    from sanetune.probes.lr_search import critical_rate

    if plan.steps.learning_rate <= 0:
        raise MissingError("the planned rate is zero")
    _learning(first_step)
    return critical_rate(lab, plan.steps.learning_rate)


def _learning(first_step: FirstStep) -> None:
    if not first_step.learns:
        raise MissingError("no weight gets a gradient: see model-nothing-trainable")


def pairing_of(lab: Lab, talks: Talks) -> Pairing:
    from sanetune.evidence.prompt_answer_overlap import Pairing, association
    from sanetune.probes.prompt_swap import own_gain

    some = [talks.train[number] for number in range(min(SHOWN, len(talks.train)))]
    return Pairing(association(talks), own_gain(lab), some)


def held_of(lab: Lab) -> Held:
    from sanetune.probes.heldout import held_rows

    return held_rows(lab)
