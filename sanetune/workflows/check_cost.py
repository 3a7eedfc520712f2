"""Whether a check at level trial makes more steps than the run that it is to save, and which shorter one would do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.commands import command
from sanetune.errors import UserError
from sanetune.evidence.registry import BrokenError, Evidence, MissingError
from sanetune.probes.lr_comparison import STEPS

if TYPE_CHECKING:
    from sanetune.config.schema import CheckSection, Config
    from sanetune.planning.plan import Plan

COMPARED = 3
"""Learning rates that are compared at least: the planned one, a lower and a higher one."""
FEWEST_STEPS, FEWEST_EXAMPLES = 10, 5
"""Steps of the trial, and examples of the overfit test, that a shorter protocol keeps at least. It keeps the steps of
the overfit test, too: a sound model took 36 for three examples whose template ends turns with a token new to it."""


def cost_note(config: Config, evidence: Evidence) -> str:
    """Say that the trial, the learning-rate comparison and the overfit test make more steps than the run would.

    Returns:
        A sentence with a shorter protocol; "" where the run has more steps, or cannot be planned.
    """
    try:
        plan: Plan = evidence["plan"]
    except (MissingError, BrokenError, UserError):
        return ""
    steps = check_steps(config.check, plan.steps.total_steps, plan.steps.effective)
    total = plan.steps.total_steps
    if steps <= total:
        return ""
    overfit_steps = type(config.check)().overfit_steps
    least = {
        "trial_steps": max(FEWEST_STEPS, total // 5),
        "overfit_examples": FEWEST_EXAMPLES,
        "overfit_steps": overfit_steps,
    }
    shorter = [f"check.{key}={value}" for key, value in least.items() if value < getattr(config.check, key)]
    # `train` asks what the check has asked, and would check again with the longer protocol.
    ways = [f"{command('check', *shorter)} (and train with the same words)"] if shorter else []
    return (
        f"the check at level trial makes up to {units.many(steps, 'optimizer step')}, and the run itself {total:,}; "
        f"shorter: {', or '.join([*ways, command('check', '--level', 'probe')])}"
    )


def check_steps(section: CheckSection, total_steps: int, effective: int) -> int:
    """Return how many optimizer steps of a run a check at level trial makes, at least.

    >>> from sanetune.config.schema import CheckSection
    >>> check_steps(CheckSection(), total_steps=1000, effective=20)
    370

    Args:
        section: Steps of the trial and of the overfit test, and its examples.
        total_steps: Optimizer steps of the run.
        effective: Examples of one of them.
    """
    overfit = section.overfit_steps * section.overfit_examples / max(1, effective)
    return round(min(section.trial_steps, total_steps) + COMPARED * STEPS + overfit)
