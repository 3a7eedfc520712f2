"""The plan of a run: facts gathered, open values settled, steps counted, schedules compared."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from sanetune.config import facts
from sanetune.config.facts import Facts
from sanetune.config.schema import Config, ModelSection
from sanetune.errors import ModelError
from sanetune.planning import defaults, steps
from sanetune.planning.steps import StepPlan

COMPARED = ("cosine", "linear", "constant_with_warmup")
"""Schedules that every plan shows beside the chosen one."""

COMBINATIONS = ((1, 8, 1), (2, 8, 1), (4, 4, 1), (4, 8, 1), (8, 4, 1), (4, 8, 2), (4, 8, 4), (4, 4, 8), (8, 2, 8))
"""Common (examples per device, accumulated batches, devices)."""

POINTS = 200
"""Points of a drawn schedule."""


@dataclass(frozen=True, slots=True)
class Combination:
    """One row of the table of common configurations."""

    per_device: int
    accumulation: int
    devices: int
    effective: int
    steps_per_epoch: int
    total_steps: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class Schedules:
    """Learning rates of several schedules. ``sampled[name][i]`` is the rate in step ``sample_steps[i]`` (from 1)."""

    sample_steps: list[int]
    sampled: dict[str, list[float]]
    steps: list[int]
    curves: dict[str, list[float]]
    undrawable: tuple[str, ...] = ()
    """Schedules that depend on the loss."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do. ``config`` is settled: every open value is filled in."""

    config: Config
    facts: Facts
    steps: StepPlan
    notes: list[str]
    """What a reader should know about the steps."""
    combinations: list[Combination]
    schedules: Schedules

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        given = {
            key: {"value": value, "origin": origin.kind, "reason": origin.explanation}
            for key, value, origin in (
                (f"train.{key}", value, self.config.origins.get(f"train.{key}"))
                for key, value in self.config.train.given.items()
            )
            if origin is not None
        }
        return {
            "schema": 1,
            "steps": self.steps.to_json() | {"notes": self.notes},
            "facts": asdict(self.facts),
            "combinations": [asdict(one) for one in self.combinations],
            "schedules": {"steps": self.schedules.sample_steps, "learning_rates": self.schedules.sampled},
            "values": given,
            "renamed": [{"old": one.old, "new": one.new, "value": one.value} for one in self.config.renamed],
        }


def plan(config: Config, prepared: Any = None) -> Plan:
    """The plan for ``config``; prepares the data (from the cache where possible) unless ``prepared`` is given.

    Raises ConfigError, ModelError or DataError where the run could not take place.
    """
    return plan_with(config, gather(config, prepared))


def gather(config: Config, prepared: Any = None) -> Facts:
    """All the facts about a run: machine, model (its weights are not loaded), data."""
    found = sketch(config.model, facts.of_machine(config.run.devices))
    if prepared is None:
        from sanetune.data.prepare import prepare

        prepared = prepare(config, context=found.context or None)
    return facts.with_data(found, prepared)


def sketch(section: ModelSection, known: Facts) -> Facts:
    """``known`` with the sizes of a model, of which only config.json is read: it is built without memory, on torch's
    meta device, with its adapter and frozen parts. Raises ModelError where there is no such model."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from sanetune.data.model_files import locate
    from sanetune.engine.library_logs import quiet
    from sanetune.engine.models import facts as sizes
    from sanetune.engine.models import make_trainable

    where = locate(section.name, section.revision)
    plain = section.model_copy(update={"quantization": None})
    try:
        with quiet(), torch.device("meta"):
            config = AutoConfig.from_pretrained(
                where.name, **where.keywords, trust_remote_code=section.trust_remote_code
            )
            model = AutoModelForCausalLM.from_config(config, trust_remote_code=section.trust_remote_code)
            tuned, _ = make_trainable(model, plain)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ModelError(
            f"The model {section.name} cannot be built from its config.json: {reason}",
            "sanetune tunes causal language models that transformers knows.",
            "Check that it generates text, and that its config.json is whole.",
        ) from None
    return sizes(tuned, known)


def plan_with(config: Config, found: Facts) -> Plan:
    """The plan for ``config`` where the facts are known."""
    settled = defaults.resolve(config, found)
    plan = steps.step_plan(settled, found)
    evaluates = settled.train.value("eval_strategy") != "no"
    notes = steps.notes_on(plan, evaluates=evaluates, validation_examples=found.validation_examples)
    return Plan(settled, found, plan, notes, combinations(settled, found, plan), schedules(plan))


def combinations(config: Config, found: Facts, plan: StepPlan) -> list[Combination]:
    """Common ways to reach an effective batch and what each means for the steps; the chosen one among them."""
    chosen = (plan.per_device, plan.accumulation, plan.devices)
    drop = bool(config.train.value("dataloader_drop_last"))
    max_steps = int(config.train.value("max_steps"))
    table = []
    for each in sorted({*COMBINATIONS, chosen}, key=lambda one: (math.prod(one), one[2], one[0])):
        per_device, accumulation, devices = each
        batches = steps.batches_per_epoch(found.train_examples, per_device, devices, drop)
        per_epoch = steps.steps_per_epoch(batches, accumulation)
        total = max_steps if max_steps > 0 else math.ceil(float(config.train.value("num_train_epochs")) * per_epoch)
        table.append(Combination(*each, math.prod(each), per_epoch, total, each == chosen))
    return table


def schedules(plan: StepPlan) -> Schedules:
    """The chosen schedule and the usual ones, at sample steps and as curves, with the plan's rate and warm-up."""
    total = max(1, plan.total_steps)
    samples = sorted({1, max(1, plan.warmup_steps // 2), min(total, plan.warmup_steps + 1)} | _spread(total, 9))
    points = sorted(_spread(total, POINTS) | {min(total, plan.warmup_steps + 1)})
    sampled, curves, undrawable = {}, {}, []
    for name in dict.fromkeys((plan.scheduler, *COMPARED)):
        kwargs = plan.scheduler_kwargs if name == plan.scheduler else {}
        try:
            sampled[name] = steps.schedule(name, plan.learning_rate, plan.warmup_steps, total, kwargs, samples)
            curves[name] = steps.schedule(name, plan.learning_rate, plan.warmup_steps, total, kwargs, points)
        except (ValueError, TypeError):
            if name in COMPARED:
                raise
            undrawable.append(name)
    return Schedules(samples, sampled, points, curves, tuple(undrawable))


def _spread(total: int, count: int) -> set[int]:
    """About ``count`` whole steps from 1 to ``total``."""
    return {1 + round(i * (total - 1) / max(1, count - 1)) for i in range(count)}
