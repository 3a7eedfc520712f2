"""Trials with replay rows mixed in: what of forgetting is left, and what the task pays for it.

Each share is trained in a harness of its own, from the base, with the steps and validation rows of the trial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sanetune.curves.paired import PairedDifference, paired_difference
from sanetune.engine.out_of_memory import is_out_of_memory
from sanetune.errors import UserError
from sanetune.events import Note, Publish, silent
from sanetune.probes.results.forgetting import Forgetting

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepared import Prepared
    from sanetune.probes.forgetting import BaseRecord
    from sanetune.probes.results import Trial
    from sanetune.probes.trial import TrialConfig

SHARES = (0.1, 0.25, 0.5)
"""Shares of the training rows that are tried, one after the other."""


@dataclass(frozen=True, slots=True)
class ReplayTrial:
    """A trial with a share of replay rows.

    Attributes:
        path: ``data.replay.path``.
        share: Of the training rows that are replay rows.
        steps: Optimizer steps that were made.
        forgetting: What the model has forgotten at its end.
        loss: Validation loss at its end, in nats per token; None without validation rows.
        cost: How much higher that is than the trial's without them, paired over rows; None where it is not known.
    """

    path: str
    share: float
    steps: int
    forgetting: Forgetting
    loss: float | None
    cost: PairedDifference | None


@dataclass(slots=True)
class ReplayTrials:
    """Makes trials with replay rows of the run that ``config`` describes.

    Attributes:
        config: The resolved configuration.
        prepared: Its rows.
        steps: Numbers of steps of the trial.
        trial: The trial that the others are compared with.
        publish: Gets their steps.
        failed: Why the next trial could not be made, in words; "": nothing failed.
    """

    config: Config
    prepared: Prepared
    steps: TrialConfig
    trial: Trial
    publish: Publish = silent
    failed: str = ""
    _base: BaseRecord | None = None

    @property
    def path(self) -> str:
        """Where replay rows come from."""
        from sanetune.data.replay.mixing import GENERAL

        given = self.config.data.replay
        return GENERAL if given is None else given.path

    def ascending(self) -> Iterator[ReplayTrial]:
        """Make a trial with each share that is larger than the run's own, and yield what it shows.

        The next is made when it is asked for: whoever has seen enough stops.
        """
        now = self.config.data.replay.share if self.config.data.replay else 0.0
        for share in SHARES:
            if share > now:
                about = f"{self.trial.steps} steps with {share:.0%} replay rows"
                self.publish(Note(f"general abilities are forgotten (model-forgets): trying {about}"))
                try:
                    made = self._made(share)
                except UserError as error:
                    self.failed = error.message
                    return
                except Exception as error:
                    if not is_out_of_memory(error):
                        raise
                    self.failed = "memory does not suffice for a second model"
                    return
                yield made

    def _made(self, share: float) -> ReplayTrial:
        from sanetune.probes.forgetting import BaseRecord, mixed_dtype
        from sanetune.probes.general.material import material_of
        from sanetune.probes.harness import probe_harness
        from sanetune.probes.heldout import held_out_rows
        from sanetune.probes.trial import run_trial

        config, prepared = self._with(share)
        with probe_harness(config, prepared) as harness:
            mixed = mixed_dtype(harness.settings.mixed_precision)
            material = material_of(config.check.keep)
            assert material is not None, "what was forgotten was measured"
            base = self._base = self._base or BaseRecord.of(harness.model, prepared, material, mixed)
            made, found = run_trial(
                harness,
                self.steps,
                held_out_rows(harness),
                lambda steps: base.against(harness.model, prepared, steps, mixed),
                self.publish,
            )
        last, before = made.curve.validation[-1:], self.trial.curve.validation[-1:]
        cost = paired_difference(last[0], before[0]) if last and before else None
        return ReplayTrial(self.path, share, made.steps, found, last[0].loss if last else None, cost)

    def _with(self, share: float) -> tuple[Config, Prepared]:
        """The run with a share of replay rows."""
        from sanetune.config.schema import ReplaySection
        from sanetune.data.conversation_file import read_sources
        from sanetune.data.prepare import prepare

        config = self.config.model_copy(deep=True)
        config.data = config.data.model_copy(update={"replay": ReplaySection(path=self.path, share=share)})
        sources = read_sources(config.data, leave_out_bad=True)
        return config, prepare(config, self.prepared.tokenizer, leave_out_bad=True, sources=sources)
