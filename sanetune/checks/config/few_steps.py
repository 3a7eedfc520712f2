"""The run is too short for its schedule: warm-up, logging, evaluation or saving do not fit into its steps.

## What it does
Compares the number of optimizer steps with the warm-up and with the intervals of logging, evaluation and checkpoints.

## Why is this bad?
A run needs steps enough to move the model, and room among them for warm-up, evaluation and checkpoints.

A few dozen steps hardly move a model, and their curve says little. With a warm-up as long as the run, the planned
learning rate is never reached. An interval longer than the run shows nothing until it is over.

## Example
300 rows and an effective batch of 64 give 5 steps per epoch:

```yaml
train:
  num_train_epochs: 2       # 10 steps
  warmup_steps: 100
  eval_steps: 500
```

## Use instead
Train for more epochs or with a smaller effective batch; give a warm-up and intervals that do not fit as shares of the
run.

```yaml
train:
  num_train_epochs: 3
  per_device_train_batch_size: 4
  warmup_steps: 0.1
  eval_steps: 0.1
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "sometimes"

LIMITS = {
    "fewest_steps": Limit(50, "half of the least that tinker-cookbook asks for (at least 100 steps, better 1,000)"),
    "warmup_share": Limit(0.5, "published recipes warm up for 3 to 10 % of the steps (Alpaca, Tulu, Zephyr, SmolLM)"),
}


def measure(run_settings: RunSettings) -> Measurement:
    """Compare warm-up and intervals with the steps; ``save_given``: save_steps was set by the user."""
    steps, monitoring = run_settings.steps, run_settings.monitoring
    total = steps.total_steps
    return Measurement(
        {
            "total_steps": total,
            "warmup_steps": steps.warmup_steps,
            "warmup_share": steps.warmup_steps / total if total else 0.0,
            "steps_per_epoch": steps.steps_per_epoch,
            "epochs": steps.epochs,
            "effective": steps.effective,
            "logging_steps": steps.logging_steps,
            "eval_steps": steps.eval_steps if monitoring.eval_strategy == "steps" else None,
            "save_steps": steps.save_steps if monitoring.save_strategy == "steps" else None,
            "save_given": "save_steps" in run_settings.given,
            "load_best": monitoring.load_best,
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """Name everything that does not fit, in one warning."""
    n = m.numbers
    total = n["total_steps"]
    problems: list[str] = []
    remedies: list[str] = []
    fix: dict[str, Any] = {}
    if total < limits["fewest_steps"]:
        problems.append(
            f"the whole run is {_steps(total)} ({units.epochs(n['epochs'])} epochs of {n['steps_per_epoch']:,},"
            f" effective batch {n['effective']:,}); below {limits['fewest_steps']} the model learns little"
        )
        remedies.append("Train for more epochs, with a smaller effective batch, or on more rows.")
    if n["warmup_steps"] >= total > 0:
        problems.append(
            f"warm-up takes all {total:,} steps ({n['warmup_steps']:,} are set), and the planned learning rate is never"
            " reached"
        )
    elif n["warmup_share"] > limits["warmup_share"]:
        problems.append(f"warm-up takes {n['warmup_steps']:,} of {total:,} steps ({units.share(n['warmup_share'])})")
    if n["warmup_share"] > limits["warmup_share"]:
        fix["train.warmup_steps"] = 0.1
        remedies.append("Shorten the warm-up: train.warmup_steps: 0.1 is a tenth of the run.")
    if intervals := _intervals(n, total, fix):
        problems += intervals
        remedies.append("Give the intervals as shares of the run, such as 0.1.")
    if problems:
        return warned("; ".join(problems), " ".join(remedies), fix)
    return passed(f"{total:,} steps, {n['warmup_steps']:,} of them warm-up; every interval fits into them.")


def _intervals(n: dict[str, Any], total: int, fix: dict[str, Any]) -> list[str]:
    """Name intervals longer than the run, and add their fixes.

    transformers always saves at the end, and its default is 500 steps: a longer interval of checkpoints counts only
    where it was set.
    """
    problems = []
    if n["logging_steps"] and n["logging_steps"] > total:
        problems.append(f"nothing is logged before the end: logging_steps is {n['logging_steps']:,}, the run {total:,}")
        fix["train.logging_steps"] = max(1, total // 20)
    if n["eval_steps"] and n["eval_steps"] > total:
        problems.append(f"nothing is evaluated before the end: eval_steps is {n['eval_steps']:,}, the run {total:,}")
        fix["train.eval_steps"] = max(1, round(total / 10))
    if n["save_steps"] and n["save_steps"] > total and n["save_given"]:
        problems.append(f"nothing is saved before the end: save_steps is {n['save_steps']:,}, the run {total:,}")
        fix["train.save_steps"] = fix.get("train.eval_steps") or n["eval_steps"] or max(1, round(total / 5))
    elif "train.eval_steps" in fix and n["load_best"] and n["save_steps"]:
        fix["train.save_steps"] = fix["train.eval_steps"]
    return problems


def _steps(count: int) -> str:
    return f"{count:,} {'step' if count == 1 else 'steps'}"
