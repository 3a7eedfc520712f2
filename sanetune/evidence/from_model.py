"""Evidence that needs the real model: probes on it, then overfit, trial and samples.

Every process of a launch builds it, with the same batches; the trial alone shares its work among them.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sanetune.config.schema import CheckSection, Config
from sanetune.events import Publish, silent
from sanetune.evidence.registry import Builder, MissingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.prepare import Prepared
    from sanetune.evidence.conversations import ConversationStore
    from sanetune.evidence.prompt_answer_overlap import PromptAnswerOverlap
    from sanetune.forecast.forecast import Forecast
    from sanetune.planning.plan import Plan
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.heldout import HeldOutRows
    from sanetune.probes.results import (
        Accumulation,
        AddedTokens,
        BatchIndependence,
        CriticalLearningRate,
        FirstStep,
        LargestStep,
        LearningRateComparison,
        Overfit,
        PackingIsolation,
        PromptSwapGain,
        Samples,
        SaveReload,
        StartLoss,
        Throughput,
        Trial,
    )

SHOWN = 3
"""Rows of the pairing that are shown."""


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """The trial, the samples at its end, and how it tells held-out answers from others'."""

    trial: Trial
    samples: Samples
    own: PromptSwapGain | None


@dataclass(slots=True)
class ModelEvidence:
    """Builders for ``config`` at ``level``; ``stack`` lets the model go when it closes."""

    config: Config
    level: str
    stack: ExitStack
    publish: Publish = silent
    began: float = field(default_factory=time.perf_counter)

    def builders(self) -> dict[str, Builder]:
        """Cheapest first."""
        if self.level == "static":
            return {}
        found: dict[str, Builder] = {
            # Before all that needs the lab: where a batch does not fit, that is to be said first.
            "peak_memory": peak_memory_of,
            "harness": self.harness,
            "first_step": first_step_of,
            "critical_lr": critical_lr_of,
            "start_loss": start_loss_of,
            "accumulation": accumulation_of,
            "batch_independence": batch_independence_of,
            "packing_isolation": packing_isolation_of,
            "added_tokens": added_tokens_of,
            "save_reload": save_reload_of,
            "prompt_answer_overlap": self.prompt_answer_overlap if self.level == "trial" else overlap_of,
        }
        if self.level == "trial":
            found |= {
                "validation_rows": validation_rows_of,
                "overfit": self.overfit,
                "previous_lr_comparison": lambda: None,
                "lr_comparison": self.lr_comparison,
                "trial_outcome": self.trial_outcome,
                "trial": lambda trial_outcome: trial_outcome.trial,
                "curve": lambda trial: trial.curve,
                "samples": lambda trial_outcome: trial_outcome.samples,
                "forecast": self.forecast,
                "throughput": throughput_of,
            }
        return found

    @property
    def section(self) -> CheckSection:
        return self.config.check

    def harness(self, plan: Plan, prepared: Prepared) -> ProbeHarness:
        """The trainer of the run with the real model, and its first batches."""
        from sanetune.probes.harness import probe_harness

        return self.stack.enter_context(probe_harness(plan.config, prepared))

    def prompt_answer_overlap(
        self, harness: ProbeHarness, conversations: ConversationStore, trial_outcome: TrialOutcome
    ) -> PromptAnswerOverlap:
        return replace(overlap_of(harness, conversations), after=trial_outcome.own)

    def overfit(
        self, harness: ProbeHarness, plan: Plan, first_step: FirstStep, critical_lr: CriticalLearningRate
    ) -> Overfit:
        from sanetune.probes.overfit import overfit

        section = self.section
        _learning(first_step)
        found = overfit(
            harness,
            critical_lr,
            plan.steps.learning_rate,
            examples=section.overfit_examples,
            steps=section.overfit_steps,
            publish=self.publish,
        )
        if found is None:
            raise MissingError("no example has a token to learn")
        return found

    def lr_comparison(
        self,
        harness: ProbeHarness,
        plan: Plan,
        validation_rows: HeldOutRows,
        first_step: FirstStep,
        critical_lr: CriticalLearningRate,
        previous_lr_comparison: LearningRateComparison | None,
    ) -> LearningRateComparison:
        """``previous_lr_comparison``: those of a round before, of a run that differs in its rate alone."""
        from sanetune.probes.lr_comparison import STEPS, branches

        _learning(first_step)
        if len(validation_rows) < 2:
            raise MissingError("there are no rows to hold out, on which rates could be compared")
        if plan.steps.learning_rate <= 0:
            raise MissingError("the planned rate is zero")
        return branches(
            harness,
            plan.steps.learning_rate,
            validation_rows,
            critical_lr.lr,
            steps=min(STEPS, max(5, plan.steps.total_steps)),
            earlier=previous_lr_comparison,
            publish=self.publish,
        )

    def trial_outcome(
        self, harness: ProbeHarness, plan: Plan, validation_rows: HeldOutRows, prepared: Prepared, first_step: FirstStep
    ) -> TrialOutcome:
        """The trial, with the base's answers before it and the tuned ones at its end."""
        from sanetune.probes.prompt_swap import PAIRS, prompt_swap_gain
        from sanetune.probes.trial import TrialConfig, run

        _learning(first_step)
        steps = plan.steps
        wanted = TrialConfig(
            min(self.section.trial_steps, steps.total_steps),
            steps.total_steps,
            steps.warmup_steps,
            steps.steps_per_epoch,
            self.section.trial_eval_steps,
        )
        asked = _Asked(harness, prepared, self.config, self.section.samples)
        split = "validation" if prepared.validation is not None else "train"
        trial, (samples, own) = run(
            harness,
            wanted,
            validation_rows,
            lambda: (asked.again(), prompt_swap_gain(harness, split, PAIRS)),
            self.publish,
        )
        return TrialOutcome(trial, replace(samples, steps=trial.steps), own)

    def forecast(self, plan: Plan, prepared: Prepared, trial: Trial, harness: ProbeHarness) -> Forecast:
        """What the whole run will take, and what the check has taken of that so far."""
        from sanetune.forecast.forecast import forecast_of
        from sanetune.forecast.machine import machine_of

        if not trial.steps:
            raise MissingError("the trial made no step")
        return forecast_of(plan, prepared, trial, self.config, time.perf_counter() - self.began, machine_of(harness))


class _Asked:
    """The same prompts, asked before and after."""

    def __init__(self, harness: ProbeHarness, prepared: Prepared, config: Config, count: int) -> None:
        from sanetune.probes.prompts import answers, longest, prompts_for

        prompts = prompts_for(prepared, config.run.sample_prompts, count)
        self.prepared, self.prompts, self.most = prepared, prompts, longest(prepared, prompts)
        self._ask = lambda: answers(harness.model, prepared, prompts)
        self.before: list[Any] = self._ask()

    def again(self) -> Samples:
        from sanetune.engine.generate import stop_ids
        from sanetune.probes.results import Sample, Samples

        asked, after = self.prompts, self._ask()
        both = zip(asked.messages, asked.references, asked.places, self.before, after, strict=True)
        tokenizer = self.prepared.tokenizer
        return Samples(
            [Sample(messages, reference, base, tuned, *place) for messages, reference, place, base, tuned in both],
            self.most,
            special_tokens=tuple(tokenizer.all_special_tokens),
            stop_token_ids=tuple(stop_ids(tokenizer, self.prepared.stop_token_ids)),
        )


def peak_memory_of(harness: ProbeHarness) -> LargestStep:
    from sanetune.probes.peak_memory import largest_step

    return largest_step(harness)


def first_step_of(harness: ProbeHarness) -> FirstStep:
    from sanetune.probes.first_step import first_step

    return first_step(harness)


def critical_lr_of(harness: ProbeHarness, plan: Plan, first_step: FirstStep) -> CriticalLearningRate:
    from sanetune.probes.lr_search import find_critical_lr

    if plan.steps.learning_rate <= 0:
        raise MissingError("the planned rate is zero")
    _learning(first_step)
    return find_critical_lr(harness, plan.steps.learning_rate)


def start_loss_of(harness: ProbeHarness) -> StartLoss:
    from sanetune.probes.start_loss import start_loss

    return start_loss(harness)


def accumulation_of(harness: ProbeHarness) -> Accumulation | None:
    from sanetune.probes.accumulation import accumulation

    return accumulation(harness)


def batch_independence_of(harness: ProbeHarness) -> BatchIndependence | None:
    from sanetune.probes.batch_independence import batch_independence

    return batch_independence(harness)


def packing_isolation_of(harness: ProbeHarness) -> PackingIsolation:
    from sanetune.probes.packing_isolation import packing_isolation

    return packing_isolation(harness)


def added_tokens_of(harness: ProbeHarness, tokenizer: PreTrainedTokenizerBase) -> AddedTokens:
    from sanetune.probes.added_tokens import added_tokens

    return added_tokens(harness, tokenizer)


def save_reload_of(
    harness: ProbeHarness, tokenizer: PreTrainedTokenizerBase, stop_tokens: frozenset[int]
) -> SaveReload | None:
    from sanetune.probes.save_reload import save_reload

    return save_reload(harness, tokenizer, stop_tokens)


def throughput_of(harness: ProbeHarness, forecast: Forecast) -> Throughput:
    from sanetune.probes.throughput import throughput

    return throughput(harness, forecast.padding_share)


def _learning(first_step: FirstStep) -> None:
    if not first_step.has_gradients:
        raise MissingError("no weight gets a gradient: see model-nothing-trainable")


def overlap_of(harness: ProbeHarness, conversations: ConversationStore) -> PromptAnswerOverlap:
    from sanetune.evidence.prompt_answer_overlap import PromptAnswerOverlap, association
    from sanetune.probes.prompt_swap import prompt_swap_gain

    some = [conversations.train[number] for number in range(min(SHOWN, len(conversations.train)))]
    return PromptAnswerOverlap(association(conversations), prompt_swap_gain(harness), some)


def validation_rows_of(harness: ProbeHarness) -> HeldOutRows:
    from sanetune.probes.heldout import held_out_rows

    return held_out_rows(harness)
