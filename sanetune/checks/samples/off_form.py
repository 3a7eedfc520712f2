"""The tuned model's answers lack the format that the training answers share.

## What it does
Finds the formats that at least 95 % of the training answers have: JSON and its keys, a fixed opening or closing, how
lines begin, one line, a few labels, the script, the common words of a language, the length. For each, counts the
answers after the trial that lack it, beside the base model's, among the prompts whose reference has it.

## Why is this bad?
A fixed format is learned first. If it is missing after the trial, the training does not take, and programs cannot
read the answers.

## Example
Answers truncated before their end, so that the closing brace is never learned:

```yaml
train:
  max_length: 256
data:
  overlong: cut
```

## Use instead
See labels-missing-reply, tokens-cut-reply, curve-rate-beaten and template-drift for the reason.

```yaml
train:
  max_length: 2048
data:
  overlong: drop
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.samples._answers import FEWEST_SAMPLES
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.checks.samples._output_format import OutputFormat
    from sanetune.evidence.conversations import ConversationStore
    from sanetune.probes.results import Sample, Samples

FIX = "none"

READ = 2_000
"""Training answers from which a form is read, evenly spread."""

SHOWN_FORMS = 3

LIMITS = {
    "fail": Limit(0.5, "most answers; the demo's lack none of theirs after 200 steps, stories260k's on alpaca neither"),
    "warn": Limit(0.25, "a format is learned bit by bit, and small models slip"),
    "fewest_steps": Limit(50, "after fewer steps the answers are still the base's"),
    "shared": Limit(0.95, "ours: a form is what so many of the training answers have"),
    "fewest_answers": Limit(30, "ours: of fewer training answers no form is read"),
    "length_times": Limit(3, "ours: times the shortest and longest training answers that an answer may be off"),
    **FEWEST_SAMPLES,
}


def measure(samples: Samples, conversations: ConversationStore, limits: Limits) -> Measurement:
    """Each shared form with how many answers lack it, most lacked first."""
    from sanetune.checks.samples._answers import answered, said, witness
    from sanetune.checks.samples._output_format import output_formats

    counted = answered(samples, limits, with_reference=True)
    replies = _replies(conversations)
    if len(replies) < (fewest := limits["fewest_answers"]):
        raise NotApplicableError(f"{len(replies)} training answers are too few to tell a form (from {fewest:g} on)")
    found: list[tuple[dict[str, Any], OutputFormat, list[Sample]]] = []
    judged_at_all = 0
    for format_ in output_formats(replies, limits["shared"], limits["length_times"]):
        kept = [s for s in counted if format_.has((s.reference or "").strip()) and (s.tuned.ended or not format_.whole)]
        if len(kept) < limits["fewest_samples"]:
            continue
        judged_at_all += 1
        lacking = [s for s in kept if not format_.has(said(s.tuned.text))]
        found.append((_numbers(format_, kept, lacking), format_, lacking))
    if not judged_at_all:
        reason = "no form is shared by the training answers, or too few of the model's answers ended to judge it"
        raise NotApplicableError(reason)
    found.sort(key=lambda one: -one[0]["lacking_at_least"])
    numbers = {
        "samples": len(counted),
        "replies": len(replies),
        "steps": samples.steps,
        "forms": [n for n, *_ in found],
    }
    _, format_, lacking = found[0]
    return Measurement(numbers, [witness(s, f"not an answer that {format_.words}") for s in lacking[:MOST_WITNESSES]])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    missed = [format_ for format_ in n["forms"] if format_["lacking_at_least"] > limits["warn"]]
    if not missed:
        scope = "; ".join(format_["form"] for format_ in n["forms"][:SHOWN_FORMS])
        return passed(f"{n['samples']:,} answers have the form of the training answers: each {scope}")
    listed = "; ".join(
        f"{units.share(format_['share'])} of the training answers are such that each {format_['form']}; of"
        f" {format_['judged']:,} answers {format_['lacking']:,} {'is' if format_['lacking'] == 1 else 'are'} not (base:"
        f" {format_['base_lacking']:,})" + (", and they come nearer" if format_["improved"] else "")
        for format_ in missed[:SHOWN_FORMS]
    )
    message = f"After {n['steps']:,} steps: {listed}"
    strict = any(format_["lacking_at_least"] > limits["fail"] and not format_["improved"] for format_ in missed)
    return failed(message) if strict and n["steps"] >= limits["fewest_steps"] else warned(message)


def _numbers(format_: OutputFormat, kept: list[Sample], lacking: list[Sample]) -> dict[str, Any]:
    """``improved``: more than the base's have at least a part of the form, beyond chance."""
    from sanetune.checks.samples._answers import said
    from sanetune.checks.samples._proportions import bounds, rarer

    def lacks(sample: Sample, tuned: bool, near: bool) -> bool:
        answer = sample.tuned if tuned else sample.base
        test = format_.near if near else format_.has
        return not test(said(answer.text)) or (format_.whole and not answer.ended)

    return {
        "form": format_.words,
        "share": format_.share,
        "judged": len(kept),
        "lacking": len(lacking),
        "lacking_at_least": bounds(len(lacking), len(kept))[0],
        "base_lacking": sum(lacks(sample, tuned=False, near=False) for sample in kept),
        "improved": rarer((lacks(s, tuned=False, near=True), lacks(s, tuned=True, near=True)) for s in kept),
    }


def _replies(conversations: ConversationStore) -> list[str]:
    """The last answers of evenly spread training conversations, without their thoughts; calls of tools left out."""
    from sanetune.checks.samples._answers import said

    side = conversations.train
    total = len(side)
    wanted = min(total, READ)
    found = []
    for number in range(wanted):
        messages = side[number * total // wanted].messages
        last = next((message for message in reversed(messages) if message["role"] == "assistant"), None)
        if last is None or last.get("tool_calls"):
            continue
        if text := said(str(last.get("content") or "")):
            found.append(text)
    return found
