"""What the experiments on a built trainer will take, said before they begin, and kept below what the run takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune import units

if TYPE_CHECKING:
    from sanetune.config.schema import CheckSection
    from sanetune.planning.steps import StepPlan

PROBE_PASSES = 60
"""Forward and backward passes of level ``probe``, in micro-batches: steps, line searches, comparisons."""
OVERFIT_ATTEMPTS = 2
"""Attempts of the overfit test as a rule: one that suffices, and one at the planned learning rate."""
EVALUATION = 1 / 3
"""Share of a pass that the evaluation of as many rows takes."""
EVALUATED_BATCHES = 16
"""Batches of an evaluation."""
FEWEST = 10
"""Steps of the trial, and of each run of the comparison, that are always made."""


@dataclass(frozen=True, slots=True)
class ExperimentSteps:
    """Optimizer steps of the experiments.

    Attributes:
        trial: Of the trial.
        comparison: Of each run of the learning-rate comparison.
        overfit: Of one attempt to overfit.
    """

    trial: int
    comparison: int
    overfit: int

    @classmethod
    def of(cls, section: CheckSection, plan: StepPlan, comparison: int) -> ExperimentSteps:
        """The steps that ``section`` asks for, of a run that has no more of them than ``plan`` says."""
        most = max(1, plan.total_steps)
        return cls(min(section.trial_steps, most), min(comparison, max(5, most)), section.overfit_steps)

    def passes(self, level: str, plan: StepPlan, examples: int, processes: int = 1) -> float:
        """About how many forward and backward passes of a micro-batch they take, with those of all ``processes``."""
        if level != "trial":
            return PROBE_PASSES
        step = max(1, plan.accumulation) * processes
        evaluations = (self.trial // 50 + self.trial // 5 / 8 + 5) * EVALUATED_BATCHES * EVALUATION
        overfit = OVERFIT_ATTEMPTS * self.overfit * math.ceil(examples / max(1, plan.per_device))
        return PROBE_PASSES + self.trial * step + 3 * self.comparison * step + overfit + evaluations

    def shortened(self, share: float) -> ExperimentSteps:
        """Trial and comparison with ``share`` of their steps, and at least :data:`FEWEST`."""

        def less(steps: int) -> int:
            return min(steps, max(FEWEST, int(steps * share)))

        return ExperimentSteps(less(self.trial), less(self.comparison), self.overfit)


@dataclass(frozen=True, slots=True)
class Cost:
    """The steps that are made, and the sentence that says beforehand what they take."""

    steps: ExperimentSteps
    message: str

    @classmethod
    def of(
        cls,
        wanted: ExperimentSteps,
        level: str,
        plan: StepPlan,
        examples: int,
        seconds: float,
        budget: float | None,
        processes: int = 1,
    ) -> Cost:
        """Shorten ``wanted`` where it takes longer than the run itself, or than ``budget`` seconds.

        Args:
            wanted: The steps that are asked for.
            level: How far the checks go.
            plan: The steps of the run.
            examples: Examples that are to be memorised.
            seconds: What the pass of one micro-batch takes.
            budget: Most seconds; None: as many as the run takes.
            processes: Whose steps one process makes here, and all of them beside each other in the run.
        """
        run = plan.total_steps * max(1, plan.accumulation) * seconds
        needed = wanted.passes(level, plan, examples, processes) * seconds
        most = run if budget is None else budget
        message = f"level {level} takes about {units.seconds(needed)}, the run itself about {units.seconds(run)}"
        if level != "trial" or needed <= most:
            return cls(wanted, message)
        steps = wanted.shortened(most / needed)
        if steps != wanted:
            needed = steps.passes(level, plan, examples, processes) * seconds
            message += (
                f"; shortened to {steps.trial} steps of the trial and {steps.comparison} of each learning rate it is"
                f" {units.seconds(needed)}"
            )
        return cls(steps, message)
