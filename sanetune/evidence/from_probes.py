"""Evidence that needs the real model for a few passes: probes of it, each undone.

Every process of a launch builds it, with the same batches.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sanetune.config.schema import CheckSection, Config
from sanetune.events import Publish, silent
from sanetune.evidence.registry import MissingError, evidence

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sanetune.data.prepare import Prepared
    from sanetune.evidence.conversations import ConversationStore
    from sanetune.evidence.prompt_answer_overlap import PromptAnswerOverlap
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.evidence.trial_outcome import TrialOutcome
    from sanetune.planning.plan import Plan
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.results import (
        Accumulation,
        AddedTokens,
        BatchIndependence,
        CriticalLearningRate,
        FirstStep,
        LargestStep,
        OwnEvaluation,
        PackingIsolation,
        RankComparison,
        SaveReload,
        StartLoss,
    )

ON_PASSES = ("rows", "batches")
"""What evidence that batches and model decide depends on, whatever the learning rate."""

SHOWN = 3
"""Rows of the prompt-answer overlap that are shown."""


@dataclass(slots=True)
class ProbeEvidence:
    """Builders of evidence for ``config``, cheapest first.

    Attributes:
        stack: Lets the model go when it closes.
        publish: Gets the steps of experiments.
        began: When the check began, by ``time.perf_counter``.
    """

    config: Config
    stack: ExitStack
    publish: Publish = silent
    began: float = field(default_factory=time.perf_counter)

    @property
    def section(self) -> CheckSection:
        return self.config.check

    # Before the harness, which it needs: where a batch does not fit, that is to be said first.
    @evidence(level="probe", label="measuring the largest step")
    def peak_memory(self, harness: ProbeHarness) -> LargestStep:
        from sanetune.probes.peak_memory import largest_step

        return largest_step(harness)

    @evidence(level="probe", label="loading the model")
    def harness(self, plan: Plan, prepared: Prepared) -> ProbeHarness:
        """The trainer of the run with the real model, and its first batches."""
        from sanetune.probes.harness import probe_harness

        return self.stack.enter_context(probe_harness(plan.config, prepared))

    @evidence(level="probe", label="making one step")
    def first_step(self, harness: ProbeHarness) -> FirstStep:
        from sanetune.probes.first_step import first_step

        return first_step(harness)

    @evidence(level="probe", label="comparing the processes", depends_on=ON_PASSES)
    def rank_comparison(self, harness: ProbeHarness, plan: Plan, prepared: Prepared) -> RankComparison | None:
        from sanetune.evidence.rank_comparison import comparison_of_launch

        return comparison_of_launch(harness, plan, prepared)

    @evidence(level="probe", label="searching the critical learning rate", depends_on=ON_PASSES)
    def critical_lr(
        self, harness: ProbeHarness, run_settings: RunSettings, first_step: FirstStep
    ) -> CriticalLearningRate:
        from sanetune.probes.lr_search import find_critical_lr

        if run_settings.steps.learning_rate <= 0:
            raise MissingError("the planned learning rate is zero")
        check_learns(first_step)
        return find_critical_lr(harness, run_settings.steps.learning_rate)

    @evidence(level="probe", depends_on=ON_PASSES)
    def start_loss(self, harness: ProbeHarness) -> StartLoss:
        from sanetune.probes.start_loss import start_loss

        return start_loss(harness)

    @evidence(level="probe", label="comparing gradients of whole and split batches", depends_on=ON_PASSES)
    def accumulation(self, harness: ProbeHarness) -> Accumulation | None:
        from sanetune.probes.accumulation import accumulation

        return accumulation(harness)

    @evidence(level="probe", label="comparing examples alone and in a batch", depends_on=ON_PASSES)
    def batch_independence(self, harness: ProbeHarness) -> BatchIndependence | None:
        from sanetune.probes.batch_independence import batch_independence

        return batch_independence(harness)

    @evidence(level="probe", label="comparing documents alone and in a pack", depends_on=ON_PASSES)
    def packing_isolation(self, harness: ProbeHarness) -> PackingIsolation:
        from sanetune.probes.packing_isolation import packing_isolation

        return packing_isolation(harness)

    @evidence(level="probe", depends_on=ON_PASSES)
    def own_evaluation(self) -> OwnEvaluation | None:
        """None: a configuration is evaluated by the engine's own code."""

    @evidence(level="probe", depends_on=ON_PASSES)
    def added_tokens(self, harness: ProbeHarness, tokenizer: PreTrainedTokenizerBase) -> AddedTokens:
        from sanetune.probes.added_tokens import added_tokens

        return added_tokens(harness, tokenizer)

    @evidence(level="probe", label="saving and loading the model", depends_on=ON_PASSES)
    def save_reload(
        self, harness: ProbeHarness, tokenizer: PreTrainedTokenizerBase, stop_tokens: frozenset[int]
    ) -> SaveReload | None:
        from sanetune.probes.save_reload import save_reload

        return save_reload(harness, tokenizer, stop_tokens)

    @evidence(level="probe", label="comparing prompts with answers")
    def prompt_answer_overlap(
        self, harness: ProbeHarness, conversations: ConversationStore, trial_outcome: TrialOutcome | None = None
    ) -> PromptAnswerOverlap:
        """At level ``trial`` also what the tuned model says of it."""
        from sanetune.evidence.prompt_answer_overlap import PromptAnswerOverlap, association
        from sanetune.probes.prompt_swap import prompt_swap_gain

        some = [conversations.train[number] for number in range(min(SHOWN, len(conversations.train)))]
        after = trial_outcome.prompt_swap if trial_outcome else None
        return PromptAnswerOverlap(association(conversations), prompt_swap_gain(harness), some, after)


def check_learns(first_step: FirstStep) -> None:
    """Raise MissingError where training can move nothing."""
    if not first_step.has_gradients:
        raise MissingError("no weight gets a gradient: see model-nothing-trainable")
    if first_step.holds_none:
        raise MissingError("the optimizer holds none of the trained weights: see model-update-lost")
    if first_step.climbs:
        raise MissingError("steps raise the loss of the tokens: see model-gradients-bad")
