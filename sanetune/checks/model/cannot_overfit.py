"""The model cannot memorise a few examples.

## What it does
Trains on twenty examples for fifty steps (a large model on a processor on eight or more, the shortest of them),
without weight decay, dropout or label smoothing, at a learning rate derived from the critical one (two more are tried
if it does not suffice), and measures the loss per token; then compares greedy answers to their own prompts token by
token, end token included. The planned learning rate is tried as well, for information. Where `check.overfit_steps` asks
for fewer steps, and the loss was still falling at the last of them, nothing is decided: the check then warns.

## Why is this bad?
A set-up that cannot memorise a few examples will not learn the task from fifteen thousand.

An answer that is memorised but not reproduced, or does not end, was trained in another context than it is asked in.

## Example
A frozen embedding with a template that adds tokens, or a template that inference renders differently:

```yaml
model:
  chat_template: chatml
  freeze: [embed_tokens, lm_head]
```

## Use instead
A high loss points to weights and optimizer, a low one without the answers to template, end token or generation
settings. Answers are shown where the loss is low.

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
VERSION = 2

UNTRIED = 10
"""Steps of which half or more are warm-up: of fewer, any fall of the loss counts as one that goes on."""
HIGH = "Look for what keeps the weights from learning: frozen layers, a small adapter, the optimizer, the precision."
LOW = "Read the answers shown: template, end token or generation settings differ from what was trained."

LIMITS = {
    "loss": Limit(0.1, "nats per token: nine in ten tokens are then certain; a sound set-up gets to 0.01"),
    "same": Limit(0.5, "share of answers that come back whole; sound set-ups have 0.9 to 1"),
    "most": Limit(0.8, "share below which some do not come back without being a fault for certain"),
    "steps": Limit(50, "the protocol's own; sound set-ups took 43 where the template's end token is new to the base"),
    "falling": Limit(
        0.9, "loss over that of a quarter of the steps earlier: 0.2 to 0.83 in sound set-ups, 0.95 to 1 in unsound ones"
    ),
    "stuck_tokens": Limit(32, "ours: tokens whose rows a fix trains beside the adapter: more are no longer a few"),
}


def measure(overfit: Overfit, harness: ProbeHarness, limits: Limits) -> Measurement:
    replies, best = overfit.replies, overfit.best
    numbers = {
        "examples": overfit.examples,
        "loss_tokens": overfit.loss_tokens,
        "steps": best.steps,
        "asked_steps": overfit.steps,
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
    few = _too_few_steps(n, limits)
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
        if few:
            return warned(f"{message}, not to {limits['loss']:g}; {few}", _more_steps(limits))
        if n["stuck"] and n["elsewhere"] <= limits["loss"]:
            return _on_tokens(n, message, limits)
        tried = ", ".join(f"{units.lr(one['rate'])} ({one['loss']:.3g})" for one in n["tries"])
        return failed(f"{message}, not to {limits['loss']:g}; tried were {tried}{planned}", HIGH)
    if n["same"] is None:
        return passed(f"{message}{planned}; there is no prompt to ask for them")
    back = f"greedy decoding gives {units.share(n['same'])} of {n['asked']} back whole, {units.share(n['ended'])} end"
    if n["same"] >= limits["most"]:
        return passed(f"{message}; {back}{planned}")
    if few:
        return warned(f"{message}, but {back}; {few}", _more_steps(limits))
    if n["same"] < limits["same"]:
        return failed(f"{message}, but {back}{planned}", LOW)
    return warned(f"{message}; {back}{planned}", LOW)


def _too_few_steps(n: dict[str, Any], limits: Limits) -> str:
    """Why the steps decide nothing, in words: few were asked for, and the loss still fell at the end."""
    losses, asked, least = n["losses"], n["asked_steps"], int(limits["steps"])
    if asked >= least or n["steps"] < asked:
        return ""
    earlier = losses[-1 - max(1, len(losses) // 4)]
    if not (losses[-1] < limits["falling"] * earlier or (asked < UNTRIED and losses[-1] < losses[0])):
        return ""
    return f"it was still falling, and {units.many(asked, 'step')} of at least {least} decide nothing"


def _more_steps(limits: Limits) -> str:
    return f"Give it more steps: check.overfit_steps={int(limits['steps'])}."


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
