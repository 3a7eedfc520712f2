"""Tokens of user, system or tool turns are learnt against the declared intent.

Measures: Labels in the engine's own batches on tokens which the independent route gives to user, system and tool
messages.
Matters: The model is trained to write its users' questions and its own instructions: the loss falls on text that it
will never have to write, and answers get a smaller share of every gradient.
Cause: TRL's default on rows with messages is to learn every token; completion_only_loss or assistant_only_loss was not
set, or a collator's response template does not stand in the text.
Fix: Set data.loss_on: assistant. With a trainer of your own, train on what sanetune.prepare(config) gives, or
set assistant_only_loss where the template has generation markers. If learning the prompts is meant: data.loss_on: all.
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed

PROMPT = ("system", "user", "tool")

LIMITS = {"tokens": Limit(0, "the declared intent learns none of them")}


def measure(reading: BatchStats, settings: RunSettings) -> Measurement:
    if settings.loss_on == "all":
        raise NotApplicableError("learning every token is declared (data.loss_on: all)")
    learnt = {role: sum(side.learnt_by[role] for side in reading.sides) for role in PROMPT}
    masked = {role: sum(side.masked_by[role] for side in reading.sides) for role in PROMPT}
    numbers = {"learnt": learnt, "masked": masked, "loss_tokens": reading.total("learnt")}
    return Measurement(numbers, reading.seen("on_prompt"))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    learnt, masked = measured.numbers["learnt"], measured.numbers["masked"]
    total = sum(learnt.values())
    if total <= limits["tokens"]:
        return passed(f"none of {units.many(sum(masked.values()), 'token')} of user, system and tool turns is learnt")
    listed = ", ".join(f"{role} {count:,} of {count + masked[role]:,}" for role, count in learnt.items() if count)
    share = total / max(1, measured.numbers["loss_tokens"])
    return failed(
        f"{units.many(total, 'token')} of prompts are learnt ({listed}): {units.share(share)} of all that is learnt",
        fix={"data.loss_on": "assistant"},
    )
