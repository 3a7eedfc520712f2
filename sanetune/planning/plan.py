"""The plan of a run: its unset values filled in, its steps counted, and what its choices are compared with."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.config.schema import Config
from sanetune.config.sizes import DataSizes, RunSizes
from sanetune.planning.defaults import resolve
from sanetune.planning.gather import gather
from sanetune.planning.steps import StepPlan, notes_on, step_plan
from sanetune.planning.tables import Combination, Schedules, combinations, schedules

if TYPE_CHECKING:
    from sanetune.data.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do."""

    config: Config
    """The configuration, resolved: every unset value is filled in."""
    sizes: RunSizes
    """What it was filled in from."""
    steps: StepPlan
    notes: list[str]
    """What a reader should know about the steps."""
    combinations: list[Combination]
    """Common batch sizes, that of the run among them."""
    schedules: Schedules

    def __repr__(self) -> str:
        return f"<Plan: {self.steps.total_steps:,} steps of {self.steps.effective:,} examples, {self.config!r}>"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        origins = self.config.origins
        values = {f"train.{key}": value for key, value in self.config.train.given.items()}
        return {
            "schema": 1,
            "steps": self.steps.to_json() | {"notes": self.notes},
            "facts": self.sizes.to_json(),
            "combinations": [asdict(one) for one in self.combinations],
            "schedules": {"steps": self.schedules.sample_steps, "learning_rates": self.schedules.sampled},
            "values": {
                key: {"value": value, "origin": origins[key].kind, "reason": origins[key].explanation}
                for key, value in values.items()
                if key in origins
            },
            "renamed": [{"old": one.old, "new": one.new, "value": one.value} for one in self.config.renamed],
        }


def plan(config: Config, prepared: Prepared | None = None) -> Plan:
    """Plan a run of ``config`` on this machine.

    Args:
        config: The configuration.
        prepared: Its rows; None: they are prepared here (from the cache where possible).

    Raises:
        ConfigError: What it says cannot work on this machine or with this data.
        ModelError: The model cannot be built.
        DataError: The rows cannot be used.
    """
    return plan_with(config, gather(config, prepared))


def incomplete_rows(data: DataSizes, max_length: object) -> list[str]:
    """One sentence on rows that are dropped or truncated; none where all of them are trained on whole.

    >>> incomplete_rows(DataSizes(rows=1100, dropped_rows=948), 64)
    ['948 of 1,100 rows are dropped (train.max_length: 64); `sanetune data` names them.']
    """
    counts = {"dropped": data.dropped_rows, "truncated": data.truncated_rows}
    parts = [f"{count:,} of {units.many(data.rows, 'row')} are {how}" for how, count in counts.items() if count]
    limit = "" if max_length is None else f" (train.max_length: {max_length})"
    return [f"{' and '.join(parts)}{limit}; `sanetune data` names them."] if parts else []


def plan_with(config: Config, sizes: RunSizes) -> Plan:
    """Plan a run of ``config`` where the sizes are known."""
    resolved = resolve(config, sizes)
    steps = step_plan(resolved, sizes)
    notes = notes_on(
        steps,
        evaluates=resolved.train.value("eval_strategy") != "no",
        validation_examples=sizes.data.validation_examples,
    )
    table = combinations(resolved, sizes.data.train_examples, steps)
    return Plan(resolved, sizes, steps, notes, table, schedules(steps))
