"""Evidence that needs the real model for many steps: overfit, learning rates, trial, replay and samples.

Every process of a launch builds it, with the same batches; the trial alone shares its work among them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sanetune.events import Note
from sanetune.evidence.from_probes import ON_PASSES, ProbeEvidence, check_learns
from sanetune.evidence.registry import MissingError, evidence
from sanetune.evidence.trial_outcome import TrialOutcome
from sanetune.planning.learning_rates import learning_rate

if TYPE_CHECKING:
    from sanetune.curves.series import Curve
    from sanetune.data.prepare import Prepared
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.forecast.forecast import Forecast
    from sanetune.forecast.outcome import OutcomeForecast
    from sanetune.planning.plan import Plan
    from sanetune.planning.steps import StepPlan
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.heldout import HeldOutRows
    from sanetune.probes.replay_trials import ReplayTrials
    from sanetune.probes.results import (
        CriticalLearningRate,
        FirstStep,
        Forgetting,
        LearningRateComparison,
        Overfit,
        Samples,
        Throughput,
        Trial,
    )
    from sanetune.probes.trial import TrialConfig


@dataclass(slots=True)
class ModelEvidence(ProbeEvidence):
    """Builders of evidence for ``config``, cheapest first."""

    @evidence(level="trial")
    def validation_rows(self, harness: ProbeHarness) -> HeldOutRows:
        from sanetune.probes.heldout import held_out_rows

        return held_out_rows(harness)

    @evidence(level="trial", label="overfitting a few examples", depends_on=ON_PASSES)
    def overfit(
        self, harness: ProbeHarness, run_settings: RunSettings, first_step: FirstStep, critical_lr: CriticalLearningRate
    ) -> Overfit:
        from sanetune.probes.overfit import overfit

        section = self.section
        check_learns(first_step)
        found = overfit(
            harness,
            critical_lr,
            run_settings.steps.learning_rate,
            examples=section.overfit_examples,
            steps=section.overfit_steps,
            publish=self.publish,
        )
        if found is None:
            raise MissingError("no example has a token to learn")
        return found

    @evidence(
        level="trial",
        label="comparing learning rates",
        depends_on=(*ON_PASSES, "train.weight_decay"),
        reused_as="previous_lr_comparison",
    )
    def lr_comparison(
        self,
        harness: ProbeHarness,
        run_settings: RunSettings,
        validation_rows: HeldOutRows,
        first_step: FirstStep,
        critical_lr: CriticalLearningRate,
        previous_lr_comparison: LearningRateComparison | None = None,
    ) -> LearningRateComparison:
        """``previous_lr_comparison``: that of the round before, of a run that differs in its schedule alone."""
        from sanetune.probes.lr_comparison import compare_lrs

        check_learns(first_step)
        if len(validation_rows) < 2:
            raise MissingError("there are no validation rows on which learning rates could be compared")
        if run_settings.steps.learning_rate <= 0:
            raise MissingError("the planned learning rate is zero")
        return compare_lrs(
            harness,
            run_settings.steps.learning_rate,
            validation_rows,
            critical_lr.lr,
            steps=self._comparison_steps(run_settings.steps),
            earlier=previous_lr_comparison,
            publish=self.publish,
        )

    def _comparison_steps(self, steps: StepPlan) -> int:
        from sanetune.probes.lr_comparison import STEPS

        return min(STEPS, max(5, steps.total_steps))

    @evidence(level="trial", label="asking the base model")
    def trial_outcome(
        self,
        harness: ProbeHarness,
        run_settings: RunSettings,
        validation_rows: HeldOutRows,
        prepared: Prepared,
        first_step: FirstStep,
    ) -> TrialOutcome:
        """The trial, with the base's answers before it and the tuned ones at its end."""
        from sanetune.probes.forgetting import before_trial
        from sanetune.probes.prompt_swap import PAIRS, prompt_swap_gain
        from sanetune.probes.prompts import answers, prompts_for
        from sanetune.probes.samples import trial_samples
        from sanetune.probes.trial import run_trial

        check_learns(first_step)
        config = self._affordable(harness, self._trial_config(run_settings.steps))
        prompts = prompts_for(prepared, self.config.run.sample_prompts, self.section.samples)
        base = answers(harness.model, prepared, prompts)
        general = before_trial(harness, self.section.keep)
        split = "validation" if prepared.validation is not None else "train"
        trial, (tuned, prompt_swap, forgetting) = run_trial(
            harness,
            config,
            validation_rows,
            lambda steps: (
                answers(harness.model, prepared, prompts),
                prompt_swap_gain(harness, split, PAIRS),
                general(steps),
            ),
            self.publish,
        )
        samples = trial_samples(prepared, prompts, base, tuned, trial.steps)
        return TrialOutcome(trial, samples, prompt_swap, forgetting)

    def _trial_config(self, steps: StepPlan) -> TrialConfig:
        from sanetune.probes.trial import TrialConfig

        return TrialConfig(
            min(self.section.trial_steps, steps.total_steps),
            steps.total_steps,
            steps.warmup_steps,
            steps.steps_per_epoch,
            self.section.trial_eval_steps,
        )

    def _affordable(self, harness: ProbeHarness, config: TrialConfig) -> TrialConfig:
        """``config`` with fewer steps for a large model on a processor, unless the user has chosen their number."""
        from sanetune.probes.cut_batches import shorter_trial

        origin = self.config.origins.get("check.trial_steps")
        if origin is not None and origin.by_user:
            return config
        one = harness.first_batches(harness.settings.gradient_accumulation_steps)
        tokens = sum(batch["input_ids"].numel() for batch in one)
        steps = shorter_trial(config.steps, tokens, harness.most_tokens)
        if steps < config.steps:
            note = f"the trial makes {steps} of {config.steps} steps, since a step takes a processor long;"
            self.publish(Note(f"{note} check.trial_steps={config.steps} makes all"))
        return config if steps == config.steps else replace(config, steps=steps, eval_steps=min(config.eval_steps, 20))

    @evidence(level="trial")
    def trial(self, trial_outcome: TrialOutcome) -> Trial:
        return trial_outcome.trial

    @evidence(level="trial")
    def curve(self, trial: Trial, run_settings: RunSettings | None = None) -> Curve:
        if run_settings is None:
            return trial.curve
        model = run_settings.model
        return replace(trial.curve, usual_lr=learning_rate(model.method, model.parameters, model.hidden)[0])

    @evidence(level="trial")
    def outcome(
        self, trial: Trial, run_settings: RunSettings, lr_comparison: LearningRateComparison | None = None
    ) -> OutcomeForecast:
        """How the whole run will end, as its trial has it."""
        from sanetune.forecast.beginning import TooEarlyError, planned_lrs, reachable
        from sanetune.forecast.outcome_of import forecast_outcome

        if trial.stopped:
            raise MissingError(f"the trial ended early: {trial.stopped}")
        if trial.steps >= run_settings.steps.total_steps:
            raise MissingError("the trial made all steps of the run: nothing is left to forecast")
        reached = reachable(lr_comparison, trial.curve) if lr_comparison else None
        try:
            return forecast_outcome(trial.curve, planned_lrs(run_settings.steps), reached)
        except TooEarlyError as error:
            raise MissingError(str(error)) from None

    @evidence(level="trial")
    def samples(self, trial_outcome: TrialOutcome) -> Samples:
        return trial_outcome.samples

    @evidence(level="trial")
    def forgetting(self, trial_outcome: TrialOutcome) -> Forgetting:
        """What the model has forgotten of general prompts and texts at the end of the trial."""
        return trial_outcome.forgotten

    @evidence(level="trial")
    def replay_trials(
        self, harness: ProbeHarness, plan: Plan, prepared: Prepared, run_settings: RunSettings, trial: Trial
    ) -> ReplayTrials | None:
        """Trials with replay rows, which are made when a check asks for one; None where they could not be compared."""
        from sanetune.probes.replay_trials import ReplayTrials

        if harness.settings.world_size > 1 or trial.stopped:
            return None
        config = replace(self._trial_config(run_settings.steps), steps=trial.steps)
        return ReplayTrials(plan.config, prepared, config, trial, self.publish)

    @evidence(level="trial")
    def forecast(self, plan: Plan, prepared: Prepared, trial: Trial, harness: ProbeHarness) -> Forecast:
        """What the whole run will take, and what the check has taken of that so far."""
        from sanetune.forecast.forecast import forecast_of
        from sanetune.forecast.machine import machine_of

        if not trial.steps:
            raise MissingError("the trial made no step")
        return forecast_of(plan, prepared, trial, self.config, time.perf_counter() - self.began, machine_of(harness))

    @evidence(level="trial", label="measuring what slows a step")
    def throughput(self, harness: ProbeHarness, forecast: Forecast) -> Throughput:
        from sanetune.probes.throughput import throughput

        return throughput(harness, forecast.padding_share)
