"""The model loses what its base could do before.

## What it does
Compares the model after the trial with its base on general prompts and texts of the package, or those of
`check.keep`: prompts that the base answers in a sensible way (the answer ends, is not empty, does not repeat itself,
has the format, language or word that was asked for) and the tuned model does not; the loss on general texts, paired
over them; and the KL divergence of the tuned model from the base, on its own answers and on validation rows.

Where it warns, trials with a tenth, a quarter and a half of [replay rows](../forgetting.md) follow, each from the base
and as long as the trial, until one does not warn: the finding says which share was enough and what it cost on
held-out rows.

What the base cannot do is not forgotten: prompts that it fails, and texts for which it needs more than 2 bits per byte,
do not count. Of a base that knows too few of them the check is skipped.

## Why is this bad?
A model that is better at its task and worse at everything else often disappoints its users.

Validation rows show the task alone: their loss falls all the while. The divergence from the base on the new task is
what forgetting was found to follow.

## Example
A learning rate far above what the task needs:

```yaml
model:
  name: HuggingFaceTB/SmolLM2-135M-Instruct
train:
  learning_rate: 3.0e-3
```

## Use instead
Lower `train.learning_rate`, use LoRA or fewer epochs, or mix general rows in with `data.replay`.

```yaml
model:
  name: HuggingFaceTB/SmolLM2-135M-Instruct
  adapter: lora
train:
  learning_rate: 3.0e-4
data:
  train: rows.jsonl
  replay: {path: general, share: 0.1}
```

## Known problems
A model that is only ever to do one task loses nothing that is missed: set `check.keep: off`, or give a file of what has
to stay. Whether an answer is true is not judged beyond the words that a prompt expects.

## References
- [RL's Razor, arXiv:2509.04259](https://arxiv.org/abs/2509.04259): forward KL on the new task predicts forgetting
- [LoRA learns less and forgets less, arXiv:2405.09673](https://arxiv.org/abs/2405.09673)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, passed, warned
from sanetune.text import both_ends, in_a_row

if TYPE_CHECKING:
    from sanetune.curves.paired import PairedDifference
    from sanetune.probes.replay_trials import ReplayTrial, ReplayTrials
    from sanetune.probes.results import Forgetting, GeneralAnswer

FIX = "sometimes"
FIX_PRIORITY = 20

LIMITS = {
    "rise": Limit(0.1, "ours: nats per token of general text, a tenth more perplexity"),
    "errors": Limit(3.0, "standard errors of the rise over the texts; below 3 it may be chance"),
    "answers": Limit(
        0.2, "of the prompts that the base answers, net of those gained; beyond chance by the sign test, too"
    ),
    "fewest_answers": Limit(8, "ours: of fewer prompts that the base answers the share says nothing"),
    "fewest_texts": Limit(5, "ours: of fewer texts that the base knows the rise says nothing"),
}


def measure(forgetting: Forgetting, replay_trials: ReplayTrials | None, limits: Limits) -> Measurement:
    """What :func:`compare` has and, where that warns, trials with replay rows."""
    found = compare(forgetting)
    numbers = found.numbers
    if replay_trials is None or not _forgot(numbers, limits):
        return found
    tried: list[dict[str, Any]] = []
    for trial in replay_trials.ascending():
        tried.append(_replay(trial, compare(trial.forgetting).numbers, limits))
        if tried[-1]["enough"]:
            break
    failed = {"replay_failed": replay_trials.failed} if replay_trials.failed else {}
    return Measurement({**numbers, "replay": tried, **failed}, found.witnesses)


def _replay(trial: ReplayTrial, n: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """A trial with replay rows in numbers; ``cost``: in nats per token of held-out rows, with its 95 % interval."""
    kept = ("base_answered", "no_longer", "gained", "text_base", "text_tuned", "text_rise", "answers_kl", "task_kl")
    low, high = trial.cost.interval() if trial.cost else (None, None)
    cost = {"cost": trial.cost.mean if trial.cost else None, "cost_low": low, "cost_high": high}
    enough = {"enough": not _forgot(n, limits)}
    about = {"path": trial.path, "share": trial.share, "steps": trial.steps, "loss": trial.loss}
    return {**about, **enough, **cost, **{key: n[key] for key in kept}}


def compare(forgetting: Forgetting) -> Measurement:
    """Return both models in numbers, and the prompts that only the base answers."""
    from sanetune.checks.model._general_answers import faults
    from sanetune.checks.samples._proportions import rarer
    from sanetune.probes.results.forgetting import mean_kl

    judged = [(answer, *faults(answer)) for answer in forgetting.answers]
    able = [answer for answer, base, _ in judged if not base]
    missed = [(answer, tuned) for answer, base, tuned in judged if not base and tuned]
    numbers: dict[str, Any] = {
        "steps": forgetting.steps,
        "source": forgetting.source,
        "prompts": len(judged),
        "base_answered": len(able),
        "tuned_answered": sum(not tuned for _, _, tuned in judged),
        "no_longer": len(missed),
        "gained": sum(bool(base and not tuned) for _, base, tuned in judged),
        "rarer": rarer((not base, not tuned) for _, base, tuned in judged),
        "reasons": _counted([reason for _, reason in missed]),
        "topics": _topics(judged),
        "texts": len(forgetting.texts),
        "bits_per_byte": forgetting.bits_per_byte,
        **_losses(forgetting),
        **_estimate("answers_kl", mean_kl([answer.drift for answer in able if answer.drift is not None])),
        **_estimate("task_kl", mean_kl(forgetting.task)),
    }
    return Measurement(numbers, [_witness(*one) for one in missed[:MOST_WITNESSES]])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    from sanetune.probes.results.forgetting import names_of

    answers, texts = _sufficient(n, limits)
    prompts, text = names_of(n["source"])
    if not answers and not texts:
        raise NotApplicableError(f"{_known_to_base(n, prompts)}: too few to tell what it forgets")
    words = []
    if answers:
        gained = f" ({n['gained']} gained)" if n["gained"] else ""
        words.append(f"{n['no_longer']} of {n['base_answered']} prompts that the base answers well are not{gained}")
    if texts:
        cost = "cost" if text.endswith("s") else "costs"
        words.append(f"{text} {cost} {n['text_rise']:+.3f} nats per token ({n['text_base']:.2f} before)")
    if n["answers_kl"] is not None and answers:
        task = f", {n['task_kl']:.2f} on the task" if n["task_kl"] is not None else ""
        words.append(f"KL from the base {n['answers_kl']:.2f} on its answers{task}")
    message = f"After {units.many(n['steps'], 'step')} {'; '.join(words)}"
    if not _forgot(n, limits):
        return passed(message)
    remedy, fix = _advice(n.get("replay", []))
    return warned(message, remedy, fix)


def _known_to_base(n: dict[str, Any], prompts: str) -> str:
    """What of prompts and texts the base can do, as far as there are any."""
    answered = f"the base answers {n['base_answered']} of {n['prompts']} {prompts} in a sensible way"
    some = [answered] if n["prompts"] else []
    if n["bits_per_byte"] is not None or n["texts"]:
        some.append(f"{'' if some else 'the base '}knows {n['texts']} of the texts")
    return " and ".join(some) or "there are neither prompts nor texts"


def _advice(replay: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """What to do in words, and the fix, as far as trials with replay rows have shown one."""
    if not replay:
        return "", {}
    last = replay[-1]
    others = "a lower train.learning_rate, LoRA or fewer epochs"
    if not last["enough"]:
        tried = in_a_row([units.share(one["share"]) for one in replay])
        return f"Use {others}: with {tried} of replay rows the trial forgot too much as well.", {}
    enough = f"Mix in replay rows: {units.share(last['share'])} were enough in a trial of {last['steps']} steps"
    if last["cost"] is not None:
        interval = f"({last['cost_low']:+.3f} to {last['cost_high']:+.3f})"
        enough += f", at {last['cost']:+.3f} nats of held-out loss {interval}"
    return f"{enough}; or use {others}.", {"data.replay": {"path": last["path"], "share": last["share"]}}


def _sufficient(n: dict[str, Any], limits: Limits) -> tuple[bool, bool]:
    """Whether prompts, and whether texts say something."""
    return n["base_answered"] >= limits["fewest_answers"], n["texts"] >= limits["fewest_texts"]


def _forgot(n: dict[str, Any], limits: Limits) -> bool:
    answers, texts = _sufficient(n, limits)
    if texts and not math.isfinite(n["text_rise"]):
        return True
    if texts and n["text_rise"] >= limits["rise"] and n["text_errors"] >= limits["errors"]:
        return True
    net = (n["no_longer"] - n["gained"]) / max(1, n["base_answered"])
    return bool(answers and n["rarer"] and net >= limits["answers"])


def _losses(forgetting: Forgetting) -> dict[str, float | None]:
    rise, drifts = forgetting.text_rise, [text.drift for text in forgetting.texts]
    tokens = sum(one.tokens for one in drifts)
    if rise is None or not tokens:
        return {"text_base": None, "text_tuned": None, "text_rise": None, "text_errors": None, "text_error": None}
    return {
        "text_base": sum(one.base for one in drifts) / tokens,
        "text_tuned": sum(one.tuned for one in drifts) / tokens,
        "text_rise": rise.mean,
        "text_errors": rise.t,
        "text_error": rise.std_error,
    }


def _estimate(name: str, found: PairedDifference | None) -> dict[str, float | None]:
    return {name: found.mean if found else None, f"{name}_error": found.std_error if found else None}


def _counted(values: Sequence[str]) -> dict[str, int]:
    return {value: values.count(value) for value in sorted(set(values), key=lambda one: (-values.count(one), one))}


def _topics(judged: Sequence[tuple[GeneralAnswer, str, str]]) -> dict[str, list[int]]:
    """Topic -> prompts, answered by the base, answered by the tuned model."""
    found: dict[str, list[int]] = {}
    for answer, base, tuned in judged:
        counts = found.setdefault(answer.topic, [0, 0, 0])
        counts[0] += 1
        counts[1] += not base
        counts[2] += not tuned
    return found


def _witness(answer: GeneralAnswer, reason: str) -> Witness:
    tuned, base = (both_ends(one.raw or one.text, 300) for one in (answer.tuned, answer.base))
    return Witness(
        f"asked: {both_ends(answer.prompt, 160)}\ntuned: {tuned}", note=f"the answer {reason}", beside=f"base: {base}"
    )
