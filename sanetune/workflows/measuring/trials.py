"""Tries settings of a step: what is forecast not to fit is left out, the rest makes a few real steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sanetune import units
from sanetune.errors import UserError
from sanetune.planning.plan import Plan, plan
from sanetune.planning.step_settings import StepSettings, equal_examples, in_words
from sanetune.probes.results.step_speed import StepSpeed
from sanetune.workflows.measuring.result import Candidate

if TYPE_CHECKING:
    from sanetune.config.schema import Config
    from sanetune.data.prepare import Prepared

ROOM = 0.9
"""Share of the memory that the forecast may take, as the check machine-memory-short allows."""
SAME = 0.01
"""Largest relative difference of the first loss up to which bfloat16 computes the same: its numbers have a relative
precision of 2^-8, or 0.4 %."""

TOO_LARGE = "does not fit in memory"

Steps = Callable[[Plan, "Prepared", str], StepSpeed]
"""Makes and times a few steps of a run that is planned, with the name under which progress is shown."""
Forecast = Callable[[Plan, "Prepared"], int]
"""Forecasts the peak memory in bytes of a run that is planned; 0: it cannot."""


@dataclass
class StepTrials:
    """Tries settings, each once, and keeps what came of it.

    Attributes:
        config: The configuration, with nothing filled in.
        prepared: Its rows, by whether they are packed.
        present: The plan of the configuration.
        memory: Bytes that a step may take; 0: not known.
        steps: See :data:`Steps`.
        forecast: See :data:`Forecast`.
        candidates: What was tried so far.
    """

    config: Config
    prepared: dict[bool, Prepared]
    present: Plan
    memory: int
    steps: Steps
    forecast: Forecast
    candidates: dict[StepSettings, Candidate] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def speed(self, settings: StepSettings) -> float | None:
        """Return useful tokens per second with ``settings``; None where they cannot be chosen."""
        if settings not in self.candidates:
            self.candidates[settings] = self._tried(settings)
        candidate = self.candidates[settings]
        return None if candidate.obstacle else candidate.tokens_per_second

    def again(self, settings: StepSettings) -> None:
        """Measure ``settings`` once more."""
        before = self.candidates[settings]
        after = self._tried(settings)
        self.candidates[settings] = replace(
            before, speeds=(*before.speeds, *after.speeds), obstacle=before.obstacle or after.obstacle, fits=after.fits
        )

    def other_packing(self, settings: StepSettings) -> StepSettings | None:
        """Return ``settings`` with packs in place of rows, or the other way round, for steps of as many tokens."""
        packing = not settings.packing
        words = "packs" if packing else "rows"
        other = replace(settings, packing=packing)
        try:
            prepared = self._rows(packing)
        except UserError as error:
            self.notes.append(f"{words} were not tried: {error.message}")
            return None
        tokens, mean = settings.examples * _mean_tokens(self._rows(settings.packing)), _mean_tokens(prepared)
        examples = equal_examples(tokens, mean)
        if examples is None:
            self.notes.append(
                f"{words} were not tried: no whole number of {mean:,.0f} tokens each makes a step of {tokens:,.0f}, so "
                "that the effective batch would be another"
            )
            return None
        other = replace(other, per_device=1, accumulation=examples)
        near = min(other.sizes(), key=lambda size: abs(math.log(size * mean / (tokens / settings.accumulation))))
        return other.divided(near)

    def planned(self, settings: StepSettings) -> Plan:
        """Plan the run with ``settings``.

        Raises:
            UserError: They cannot be.
        """
        return plan(with_settings(self.config, settings), self._rows(settings.packing))

    def _rows(self, packing: bool) -> Prepared:
        if packing not in self.prepared:
            from sanetune.data.prepare import prepare

            config = self.config.model_copy(deep=True)
            config.train.given["packing"] = packing
            self.prepared[packing] = prepare(config)
        return self.prepared[packing]

    def _tried(self, settings: StepSettings) -> Candidate:
        from sanetune.engine.allocator import give_back_freed_memory
        from sanetune.engine.memory import StepTooLargeError, free_memory
        from sanetune.engine.out_of_memory import is_out_of_memory

        candidate = Candidate(settings)
        try:
            planned = self.planned(settings)
            rows = self._rows(settings.packing)
            candidate = replace(candidate, forecast_bytes=self.forecast(planned, rows))
            if self.memory and candidate.forecast_bytes > ROOM * self.memory:
                needed, there = units.bytes_(candidate.forecast_bytes), units.bytes_(self.memory)
                obstacle = f"not tried: {needed} are forecast, and there are {there}"
                return replace(candidate, obstacle=obstacle, fits=False)
            free_memory()
            give_back_freed_memory()
            speed = self.steps(planned, rows, in_words(settings))
        except Exception as error:
            # Only memory that is short, and what the user could correct, are about the candidate.
            short = isinstance(error, StepTooLargeError) or is_out_of_memory(error)
            if not short and (not isinstance(error, UserError) or settings == StepSettings.of(self.present.config)):
                raise
            obstacle = f"cannot be: {error.message}" if isinstance(error, UserError) and not short else TOO_LARGE
            return replace(candidate, obstacle=obstacle, fits=not short)
        return replace(candidate, speeds=(speed,), obstacle=self._difference(settings, speed))

    def _difference(self, settings: StepSettings, speed: StepSpeed) -> str:
        """Why the numbers of a measured candidate forbid it; "": they do not."""
        if not speed.seconds:
            return "made no step"
        if not all(map(math.isfinite, speed.losses)):
            return "the loss is not a number"
        exact = self.candidates.get(replace(settings, bf16=False))
        if not settings.bf16 or exact is None or exact.loss is None:
            return ""
        difference = abs(speed.first_loss - exact.loss) / max(1e-9, abs(exact.loss))
        if difference <= SAME:
            return ""
        return f"its first loss differs from that of float32 by {units.share(difference)}"


def with_settings(config: Config, settings: StepSettings) -> Config:
    """Return a copy of ``config`` with ``settings``, in which a step that does not fit fails."""
    changed = config.model_copy(deep=True)
    for key, value in settings.values().items():
        changed.train.given[key.removeprefix("train.")] = value
    changed.train.given.pop("auto_find_batch_size", None)
    return changed


def _mean_tokens(prepared: Prepared) -> float:
    return float(prepared.stats["train"]["tokens"]) / max(1, prepared.count("train"))
