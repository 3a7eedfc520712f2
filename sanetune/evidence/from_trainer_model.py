"""Evidence that needs steps of a built trainer: probes, overfit, learning rates, trial and samples, all undone."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sanetune.errors import RunError
from sanetune.events import Note
from sanetune.evidence.from_model import ModelEvidence
from sanetune.evidence.from_probes import check_learns
from sanetune.evidence.own_loss import TriedLoss
from sanetune.evidence.processes import no_collectives, process_count
from sanetune.evidence.registry import LEVELS, Builder, MissingError, builders_of, evidence
from sanetune.evidence.trainer_batches import has_own_loss, shares_sequences, train_batches
from sanetune.evidence.trainer_callbacks import acting_callbacks
from sanetune.evidence.trainer_cost import Cost, ExperimentSteps
from sanetune.evidence.trainer_examples import OWN_LOSS_ROWS, Example, ReadTrainer
from sanetune.evidence.trainer_task import require_next_tokens
from sanetune.evidence.trial_outcome import TrialOutcome

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

    from sanetune.config.schema import Config
    from sanetune.data.prepared import Prepared
    from sanetune.evidence.run_settings import RunSettings
    from sanetune.planning.steps import StepPlan
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.heldout import HeldOutRows
    from sanetune.probes.results import Accumulation, FirstStep, OwnEvaluation
    from sanetune.probes.trial import TrialConfig

LEFT_OUT = ("forecast", "throughput", "added_tokens", "save_reload", "rank_comparison")
"""What needs a configuration of ours."""


@dataclass(slots=True)
class TrainerModelEvidence(ModelEvidence):
    """Builders of evidence for ``trainer`` beyond what can be read, cheapest first.

    Attributes:
        trainer: The user's.
        scratch: Where its stand-ins write.
        level: How far the checks go, which decides what they take.
        rows: Rows of a split that are read, at most; None: some hundreds.
        budget: Seconds that the experiments may take, about; None: as many as the run itself.
        held_out: Documents of training rows that are held out for want of validation rows.
        steps: Steps of the experiments, once it is known what a pass takes.
        processes: How many train together; this one makes the steps of all of them.
    """

    trainer: Trainer | None = None
    scratch: Path = Path()
    level: str = "trial"
    rows: int | None = None
    budget: float | None = None
    held_out: list[Example] = field(default_factory=list)
    steps: ExperimentSteps | None = None
    processes: int = 1

    def builders(self, level: str) -> dict[str, Builder]:
        """The builders of this evidence up to ``level``."""
        found = builders_of(self, level) if level != LEVELS[0] else {}
        return {name: _alone(builder) for name, builder in found.items() if name not in LEFT_OUT}

    @evidence(level="probe", label="setting a copy of the trainer up")
    def harness(self, run_settings: RunSettings, tokenizer: PreTrainedTokenizerBase | None = None) -> ProbeHarness:  # type: ignore[override]
        """A stand-in of the trainer, and its first batches; the trainer is put back when the check is over."""
        from sanetune.engine.own.kept import kept
        from sanetune.engine.own.session import OwnSession
        from sanetune.engine.own.stand_in import stand_in
        from sanetune.engine.own.together import processes_of_a_step
        from sanetune.probes.harness import BATCHES, ProbeHarness

        trainer = self.given
        require_probeable(trainer)
        self.stack.enter_context(kept(trainer))
        try:
            double = stand_in(trainer, self.scratch)
        except Exception as error:  # noqa: BLE001 -- a class of the user's own may raise anything
            raise MissingError(
                f"the optimizer or schedule cannot be copied ({type(error).__name__}: {error})"
            ) from None
        data = self._reader(double, tokenizer)
        prepared = self._prepared(data, tokenizer)
        at_once = processes_of_a_step(trainer, self.processes)
        session = OwnSession(trainer, data, self.scratch, at_once)
        if session.settings.activation_checkpointing:
            session.set_activation_checkpointing(True)
        harness = ProbeHarness(session, self.config, prepared, [])
        harness.batches = harness.first_batches(min(BATCHES, len(session.train_batches())))
        if not harness.batches:
            raise MissingError("the trainer has no training batch")
        self._announce_cost(harness, run_settings.steps, at_once)
        return harness

    def _announce_cost(self, harness: ProbeHarness, plan: StepPlan, at_once: int) -> None:
        """Say what the experiments will take, from the time of one pass; shorten them where that is too much."""
        from sanetune.probes.lr_comparison import STEPS

        wanted = ExperimentSteps.of(self.section, plan, STEPS)
        seconds = min(_seconds_of_a_pass(harness) for _ in range(2))
        cost = Cost.of(wanted, self.level, plan, self.section.overfit_examples, seconds, self.budget, at_once)
        self.steps = cost.steps
        self.publish(Note(cost.message))

    def _comparison_steps(self, steps: StepPlan) -> int:
        return self.steps.comparison if self.steps else ModelEvidence._comparison_steps(self, steps)

    def _trial_config(self, steps: StepPlan) -> TrialConfig:
        found = ModelEvidence._trial_config(self, steps)
        return replace(found, steps=self.steps.trial) if self.steps else found

    @property
    def given(self) -> Trainer:
        """The user's trainer."""
        assert self.trainer is not None, "built without a trainer"
        return self.trainer

    def _reader(self, double: Trainer, tokenizer: PreTrainedTokenizerBase | None) -> ReadTrainer:
        from sanetune.evidence.trainer_ends import pad_and_ends

        pad, ends = pad_and_ends(double, tokenizer)
        own = has_own_loss(double)
        data = ReadTrainer(double, pad, ends, own_loss=own, most=self.rows)
        if not own:
            return data
        with train_batches(double) as batches:
            tried = TriedLoss.of(double, batches)
        data.by_gradient = not tried.as_labelled and not tried.reason
        data.most = min(self.rows or OWN_LOSS_ROWS, OWN_LOSS_ROWS) if data.by_gradient else self.rows
        return data

    def _prepared(self, data: ReadTrainer, tokenizer: PreTrainedTokenizerBase | None) -> Prepared:
        from sanetune.evidence.trainer_prepared import padding_tokenizer, prepared_of

        train, validation = data.train_examples(), data.validation_examples()
        if not train:
            raise MissingError("no row of the training data could be read")
        if not validation:
            self.held_out = data.hold_out(train)
            train = [one for one in train if one.row is None or one.row not in set(data.held_out)]
        return prepared_of(train, validation or self.held_out, padding_tokenizer(tokenizer, data.pad), data.ends)

    @evidence(level="probe", label="making one step")
    def first_step(self, harness: ProbeHarness) -> FirstStep:
        """One step; of a loss that is the user's own also where it pulls."""
        from sanetune.probes.first_step import first_step
        from sanetune.probes.loss_direction import loss_direction

        found = replace(first_step(harness), callbacks=acting_callbacks(self.given))
        own = has_own_loss(self.given) and found.has_gradients
        return replace(found, direction=loss_direction(harness)) if own else found

    @evidence(level="probe", label="comparing gradients of whole and split batches")
    def accumulation(self, harness: ProbeHarness) -> Accumulation | None:
        """Of a loss that is the user's own, nothing is known but that it is a mean."""
        from sanetune.probes.accumulation import accumulation
        from sanetune.probes.repeated_batch import repeated_batch

        if self.given.args.gradient_accumulation_steps < 2:
            raise MissingError("a step is one batch: no gradients are accumulated (gradient_accumulation_steps=1)")
        return repeated_batch(harness) if has_own_loss(self.given) else accumulation(harness)

    @evidence(level="probe", label="evaluating a few rows")
    def own_evaluation(self, harness: ProbeHarness) -> OwnEvaluation:  # type: ignore[override]
        """The loss of a few validation rows by the trainer's own evaluation, with dropout and without."""
        from sanetune.evidence.trainer_evaluation import evaluation_of

        return evaluation_of(self.given, harness, self.scratch)

    @evidence(level="trial")
    def validation_rows(self, harness: ProbeHarness) -> HeldOutRows:
        """Validation rows; where there are none, training rows that no experiment trains on."""
        from sanetune.probes.heldout import HeldOutRows, held_out_rows

        if harness.prepared.validation is None:
            return HeldOutRows(None, "train")
        found = held_out_rows(harness)
        return HeldOutRows(found.rows, "train") if self.held_out else found

    @evidence(level="trial", label="asking the model")
    def trial_outcome(  # type: ignore[override]
        self, harness: ProbeHarness, run_settings: RunSettings, validation_rows: HeldOutRows, first_step: FirstStep
    ) -> TrialOutcome:
        """The trial, with answers before it and at its end to prompts as they are trained."""
        from sanetune.probes.forgetting import before_trial
        from sanetune.probes.id_prompts import IdPrompts
        from sanetune.probes.prompt_swap import PAIRS, prompt_swap_gain
        from sanetune.probes.trial import run_trial

        check_learns(first_step)
        prompts = IdPrompts.of(harness, self.section.samples)
        base = prompts.answers(harness)
        general = before_trial(harness, self.section.keep)
        config = self._trial_config(run_settings.steps)
        trial, (tuned, swap, forgetting) = run_trial(
            harness,
            config,
            validation_rows,
            lambda steps: (
                prompts.answers(harness),
                prompt_swap_gain(harness, prompts.split, PAIRS),
                general(steps),
            ),
            self.publish,
        )
        return TrialOutcome(trial, prompts.samples(harness, base, tuned, trial.steps), swap, forgetting)

    @evidence(level="trial")
    def replay_trials(self) -> None:  # type: ignore[override]
        """None: the rows are the trainer's own, and nothing can be mixed in."""


def _alone(builder: Builder) -> Builder:
    """``builder``, which takes this process for the only one: the others wait for the next batch to be read."""

    @functools.wraps(builder)
    def build(*args: object, **keywords: object) -> object:
        try:
            with no_collectives():
                return builder(*args, **keywords)
        except RunError as error:
            if process_count() > 1 and "process group has not been initialized" in str(error.__cause__):
                raise MissingError("its own code calls torch.distributed, and the other processes wait") from None
            raise

    return build


def _seconds_of_a_pass(harness: ProbeHarness) -> float:
    with harness.untouched():
        began = time.perf_counter()
        harness.gradients(harness.batches[:1])
        return time.perf_counter() - began


def config_of(trainer: Trainer, options: Mapping[str, int]) -> Config:
    """The little of a configuration that experiments on a trainer need: where it writes, and their steps."""
    from sanetune.config.load import load

    name = str(getattr(trainer.model.config, "_name_or_path", "") or type(trainer.model).__name__)
    sections = {
        "model": {"name": name},
        "data": {"train": "the trainer's own rows"},
        "run": {"output_dir": str(trainer.args.output_dir)},
        "check": dict(options),
    }
    return load(sections)


def require_probeable(trainer: Trainer) -> None:
    """Raise MissingError where experiments on ``trainer`` could not be made, or not be undone, with the reason."""
    require_next_tokens(trainer)
    args = trainer.args
    if shares_sequences(trainer):
        raise MissingError("several processes share each sequence (tensor, context or sequence parallelism)")
    if getattr(trainer, "is_deepspeed_enabled", False) or getattr(trainer, "is_fsdp_enabled", False):
        raise MissingError("DeepSpeed or FSDP holds the weights: they could not be put back bit for bit")
    if args.n_gpu > 1:
        raise MissingError("one process drives several GPUs: set CUDA_VISIBLE_DEVICES to one of them")
    if any(weight.device.type == "meta" for weight in trainer.model.parameters()):
        raise MissingError("some of the model's weights are not in memory")
