"""The model cannot memorise a few examples.

## What it does
Trains on twenty examples for fifty steps (a large model on a processor on eight or more, the shortest of them),
without weight decay, dropout or label smoothing, at a learning rate derived from the critical one (two more are tried
if it does not suffice), and measures the loss per token; then compares greedy answers to their own prompts token by
token, end token included. The planned learning rate is tried as well, for information.

## Why is this bad?
A set-up that cannot memorise twenty examples will not learn the task from fifteen thousand.

An answer that is memorised but not reproduced, or does not end, was trained in another context than it is asked in.

## Example
A frozen embedding with a template that adds tokens, or a template that inference renders differently:

```yaml
model:
  chat_template: chatml
  freeze: [embed_tokens, lm_head]
```

## Use instead
Read the answers shown. A high loss points to weights and optimizer; a low loss without the answers points to
template, end token or generation settings.

```yaml
model:
  chat_template: chatml
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.harness import ProbeHarness
    from sanetune.probes.results import Overfit, RecitedReply

FIX = "sometimes"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "loss": Limit(0.1, "nats per token: nine in ten tokens are then certain; a sound set-up gets to 0.01"),
    "same": Limit(0.5, "share of answers that come back whole; sound set-ups have 0.9 to 1"),
    "most": Limit(0.8, "share below which some do not come back without being a fault for certain"),
    "stuck_tokens": Limit(32, "ours: tokens whose rows a fix trains beside the adapter: more are no longer a few"),
}


def measure(overfit: Overfit, harness: ProbeHarness, limits: Limits) -> Measurement:
    replies, best = overfit.replies, overfit.best
    numbers = {
        "examples": overfit.examples,
        "loss_tokens": overfit.loss_tokens,
        "steps": best.steps,
        "rate": best.lr,
        "start_loss": best.losses[0],
        "loss": best.final_loss,
        "losses": best.losses,
        "tries": [{"rate": one.lr, "loss": one.final_loss} for one in overfit.attempts],
        "asked": len(replies),
        "same": overfit.exact_replies / len(replies) if replies else None,
        "ended": sum(reply.ended for reply in replies) / len(replies) if replies else None,
        "stuck": [
            {"token": one.token, "count": one.count, "loss": one.loss}
            for one in overfit.stuck[: int(limits["stuck_tokens"])]
        ],
        "stuck_tokens": len(overfit.stuck),
        "stuck_ends": [one.token for one in overfit.stuck if one.is_stop],
        "elsewhere": overfit.other_loss,
        "adapter": adapter.model_dump(exclude_defaults=True) if (adapter := harness.config.model.adapter) else None,
        "planned_rate": overfit.at_planned_lr.lr if overfit.at_planned_lr else best.lr,
        "planned_loss": overfit.at_planned_lr.final_loss if overfit.at_planned_lr else best.final_loss,
    }
    wrong = sorted(
        (reply for reply in replies if not reply.exact), key=lambda reply: reply.matching_tokens / reply.expected_tokens
    )
    return Measurement(numbers, [_witness(reply) for reply in wrong[:MOST_WITNESSES]])


def _witness(reply: RecitedReply) -> Witness:
    note = f"{reply.matching_tokens} of {units.many(reply.expected_tokens, 'token')} come back" + (
        "" if reply.ended else "; it did not end"
    )
    return Witness(reply.expected[:400], note=note, beside=reply.written[:400])


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    message = (
        f"{units.many(n['examples'], 'example')} ({n['loss_tokens']:,} tokens in the loss) go from a loss of"
        f" {n['start_loss']:.3g} to {n['loss']:.3g} in {units.many(n['steps'], 'step')} at {units.lr(n['rate'])}"
    )
    planned = (
        ""
        if n["planned_rate"] == n["rate"]
        else f"; at the planned {units.lr(n['planned_rate'])} to {n['planned_loss']:.3g}"
    )
    if not n["loss"] <= limits["loss"]:
        if n["stuck"] and n["elsewhere"] <= limits["loss"]:
            return _on_tokens(n, message, limits)
        tried = ", ".join(f"{units.lr(one['rate'])} ({one['loss']:.3g})" for one in n["tries"])
        return failed(f"{message}, not to {limits['loss']:g}; tried were {tried}{planned}")
    if n["same"] is None:
        return passed(f"{message}{planned}; there is no prompt to ask for them")
    back = f"greedy decoding gives {units.share(n['same'])} of {n['asked']} back whole, {units.share(n['ended'])} end"
    if n["same"] < limits["same"]:
        return failed(f"{message}, but {back}{planned}")
    return (warned if n["same"] < limits["most"] else passed)(f"{message}; {back}{planned}")


def _on_tokens(n: dict[str, Any], message: str, limits: Limits) -> Judgement:
    """All but a few tokens are memorised: they are named, and failed where one of them ends the answers."""
    few = [(one["token"], units.many(one["count"], "time"), one["loss"]) for one in n["stuck"][:6]]
    named = ", ".join(f"{token!r} ({times}, {loss:.2g})" for token, times, loss in few)
    more = f" and {n['stuck_tokens'] - 6:,} more" if n["stuck_tokens"] > 6 else ""
    text = (
        f"{message}: all that is left of it is on {units.many(n['stuck_tokens'], 'token')} of the vocabulary,"
        f" {named}{more}; elsewhere it is {n['elsewhere']:.3g}"
    )
    fix, remedy = {}, ""
    if n["adapter"] is not None:
        text += "; beside the adapter, the rows of these tokens in embedding and head are frozen"
        remedy = "Train their rows too: model.adapter.tokens."
        if n["stuck_tokens"] <= limits["stuck_tokens"]:
            named_before = n["adapter"].get("tokens") or []
            tokens = sorted({*named_before, *(one["token"] for one in n["stuck"])})
            fix = {"model.adapter": {"type": "lora", **n["adapter"], "tokens": tokens}}
    if n["stuck_ends"]:
        return failed(f"{text}; {n['stuck_ends'][0]!r} ends the answers", remedy, fix)
    return warned(text, remedy, fix)
