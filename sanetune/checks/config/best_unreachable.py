"""The best checkpoint is requested but cannot be found, because evaluations and checkpoints do not coincide.

## What it does
Checks that validation rows are evaluated, that every evaluation falls on a checkpoint, that the metric is one that an
evaluation reports, and that its direction is right (smaller is better for a loss).

## Why is this bad?
transformers can load only a checkpoint saved at the step of the best evaluation. Otherwise it refuses to start, stops
with a KeyError, or keeps another checkpoint.

## Example
A metric that no evaluation reports:

```yaml
train:
  load_best_model_at_end: true
  eval_strategy: steps
  eval_steps: 50
  save_steps: 50
  metric_for_best_model: accuracy
```

## Use instead
Evaluate and save at the same steps, and select by `eval_loss`, where smaller is better.

```yaml
train:
  load_best_model_at_end: true
  eval_strategy: steps
  eval_steps: 50
  save_steps: 50
  metric_for_best_model: eval_loss
  greater_is_better: false
```

## References
- [transformers#15089](https://github.com/huggingface/transformers/issues/15089),
  [transformers#35070](https://github.com/huggingface/transformers/issues/35070)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.evidence.run_settings import RunSettings

FIX = "always"

LIMITS = {
    "met_share": Limit(
        1.0,
        "share of evaluations at a checkpoint: transformers 5.23 sets the best step at every evaluation and then looks"
        " for the folder checkpoint-<that step> (Trainer._save_checkpoint; transformers#15089, #35070)",
    ),
}


def measure(run_settings: RunSettings) -> Measurement:
    """Count evaluations and those at a checkpoint; skipped where the best checkpoint is not asked for."""
    steps, monitoring = run_settings.steps, run_settings.monitoring
    if not monitoring.load_best and monitoring.save_strategy != "best":
        raise NotApplicableError("the best checkpoint is not asked for")
    evaluations, met = _meetings(run_settings)
    metric = monitoring.metric or "eval_loss"
    return Measurement(
        {
            "validation_examples": run_settings.data.validation_examples,
            "eval_strategy": monitoring.eval_strategy,
            "save_strategy": monitoring.save_strategy,
            "eval_steps": steps.eval_steps if monitoring.eval_strategy == "steps" else None,
            "save_steps": steps.save_steps if monitoring.save_strategy == "steps" else None,
            "save_total_limit": monitoring.save_total_limit,
            "total_steps": steps.total_steps,
            "evaluations": evaluations,
            "evaluations_saved": met,
            "metric": metric if metric.startswith("eval_") else f"eval_{metric}",
            "metric_names": list(monitoring.metric_names),
            "by_shares": _is_share(run_settings.given.get("eval_steps"))
            or _is_share(run_settings.given.get("save_steps")),
            "greater_is_better": run_settings.given.get("greater_is_better"),
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    """What stops the run or keeps the wrong checkpoint fails; a best that may have no checkpoint is a warning."""
    n = m.numbers
    found = [one for one in (_unevaluated(n), _apart(n), _metric(n)) if one]
    if found:
        fix = {key: value for _, values in found for key, value in values.items()}
        message = "; ".join(text for text, _ in found)
        return failed(f"The best checkpoint cannot be selected: {message}.", fix=fix)
    if n["evaluations"] and n["evaluations_saved"] < limits["met_share"] * n["evaluations"]:
        return warned(
            f"{n['evaluations']:,} evaluations, one every {n['eval_steps']:,} steps, and a checkpoint at"
            f" {n['evaluations_saved']:,} of them (save_steps {n['save_steps']:,}): the others cannot be selected.",
            fix=_together(n, n["eval_steps"]),
        )
    kept = f", which is one of {n['save_total_limit']} that are kept" if n["save_total_limit"] else ""
    return passed(f"Every evaluation is at a checkpoint, and {n['metric']} selects the best{kept}.")


def _meetings(run_settings: RunSettings) -> tuple[int, int]:
    """Evaluations of the run, and how many of them are at a checkpoint. Both also take place at the end.

    0 for strategies other than steps: by epoch they coincide, and ``best`` saves where it has to.
    """
    steps, monitoring = run_settings.steps, run_settings.monitoring
    evaluate, save, total = steps.eval_steps, steps.save_steps, steps.total_steps
    if monitoring.eval_strategy != "steps" or monitoring.save_strategy != "steps" or not evaluate or not save:
        return 0, 0
    at = {*range(evaluate, total + 1, evaluate), total}
    return len(at), sum(step % save == 0 or step == total for step in at)


def _unevaluated(n: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    if not n["validation_examples"]:
        return "there are 0 validation rows", {"data.holdout": 0.1}
    if n["eval_strategy"] == "no":
        strategy = n["save_strategy"] if n["save_strategy"] in ("steps", "epoch") else "steps"
        fix: dict[str, Any] = {"train.eval_strategy": strategy}
        if strategy == "steps" and n["save_steps"]:
            fix["train.eval_steps"] = n["save_steps"]
        return "eval_strategy is no", fix
    return None


def _apart(n: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """What transformers refuses at the start (TrainingArguments.__post_init__)."""
    evaluates, saves = n["eval_strategy"], n["save_strategy"]
    if evaluates == "no" or saves == "best":
        return None
    if saves != evaluates:
        fix: dict[str, Any] = {"train.save_strategy": evaluates}
        if n["eval_steps"]:
            fix["train.save_steps"] = n["eval_steps"]
        return f"save_strategy is {saves}, and eval_strategy is {evaluates}", fix
    save, evaluate = n["save_steps"], n["eval_steps"]
    if save and evaluate and save % evaluate:
        text = f"save_steps, {save:,}, is no multiple of eval_steps, {evaluate:,}"
        return text, _together(n, evaluate * max(1, round(save / evaluate)))
    return None


def _together(n: dict[str, Any], save: int) -> dict[str, Any]:
    """The fix for save_steps, with eval_steps where one is a share: both are then given in steps."""
    return {"train.save_steps": save} | ({"train.eval_steps": n["eval_steps"]} if n["by_shares"] else {})


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _metric(n: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    metric, greater = n["metric"], n["greater_is_better"]
    if n["metric_names"] and metric not in n["metric_names"]:
        text = f"metric_for_best_model is {metric}, and an evaluation gives {', '.join(n['metric_names'][:4])}"
        loss = next((name for name in n["metric_names"] if name.endswith("loss")), n["metric_names"][0])
        fix = {"train.metric_for_best_model": loss}
        return text, fix | ({"train.greater_is_better": False} if greater and loss.endswith("loss") else {})
    if greater is True and metric.endswith("loss"):
        text = f"greater_is_better is true for {metric}: the checkpoint with the largest loss would be kept"
        return text, {"train.greater_is_better": False}
    if greater is False and metric.endswith("accuracy"):
        text = f"greater_is_better is false for {metric}: the checkpoint with the lowest accuracy would be kept"
        return text, {"train.greater_is_better": True}
    return None
