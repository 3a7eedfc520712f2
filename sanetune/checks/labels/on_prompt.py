"""Tokens of system, user or tool messages are in the loss although the configuration excludes them.

## What it does
Reads the labels from the batches of the trainer's own dataloader, derives a second time who wrote each token (from the
rendered text, without the trainer's masks), and counts the unmasked tokens of system, user and tool messages.

## Why is this bad?
The model is trained to write its users' questions and its own instructions, which it never has to do. The loss falls
on that text, and answers get a smaller share of every gradient.

## Example
TRL puts every token of a row with messages into the loss unless `assistant_only_loss` or `completion_only_loss` is
set. With the row

```json
{"messages": [{"role": "user", "content": "Capital of Peru?"},
              {"role": "assistant", "content": "Lima."}]}
```

this trainer also learns to write the question:

```python
trainer = SFTTrainer(model, SFTConfig(), train_dataset=rows)
```

## Use instead
Set `data.loss_on: assistant`. With a trainer of your own, train on what `sanetune.prepare(config)` returns, or set
`assistant_only_loss=True` where the chat template has generation markers.

```yaml
data:
  train: support.jsonl
  loss_on: assistant
```

If the prompts belong in the loss, say so with `data.loss_on: all`; the check is skipped then.

## Known problems
For a trainer whose conversations are gone (ids alone), roles are read from the headers of the chat template. Rows that
follow none are judged by the header that they share before their answers (`### Response:`), and it is a warning there:
some recipes learn the prompts on purpose. Where the loss begins somewhere inside the prompts, mostly where no line or
sentence ends, it is an error. Where the rows share no header, the check is skipped.

## References
- [TRL: SFT Trainer](https://huggingface.co/docs/trl/sft_trainer)
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.labels._scope import (
    BORDER,
    format_numbers,
    format_of,
    require_masks,
    require_own_places,
    with_roles,
)
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed, warned
from sanetune.text import one_line

FIX = "sometimes"
DEPENDS_ON = ("rows",)
VERSION = 3

PROMPT = ("system", "user", "tool")

LIMITS = {"tokens": Limit(0, "the configuration puts none of them into the loss")}


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    require_masks(run_settings)
    require_own_places(batch_stats)
    if not with_roles(batch_stats):
        seen = [one for kind in ("whole", "inside", "early") for one in batch_stats.seen(f"format_{kind}")]
        return Measurement({"format": format_numbers(format_of(batch_stats))}, seen)
    in_loss = {role: sum(side.loss_tokens_by[role] for side in batch_stats.splits) for role in PROMPT}
    masked = {role: sum(side.masked_tokens_by[role] for side in batch_stats.splits) for role in PROMPT}
    if not sum(in_loss.values()) + sum(masked.values()):
        raise NotApplicableError("no batch holds a token of a user, system or tool turn")
    numbers = {"learnt": in_loss, "masked": masked, "loss_tokens": batch_stats.total("loss_tokens")}
    return Measurement(numbers, batch_stats.seen("on_prompt"))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    if "format" in measured.numbers:
        return _by_format(measured)
    in_loss, masked = measured.numbers["learnt"], measured.numbers["masked"]
    total = sum(in_loss.values())
    if total <= limits["tokens"]:
        return passed(
            f"none of {units.many(sum(masked.values()), 'token')} of user, system and tool turns is in the loss"
        )
    listed = ", ".join(f"{role} {count:,} of {count + masked[role]:,}" for role, count in in_loss.items() if count)
    share = total / max(1, measured.numbers["loss_tokens"])
    return failed(
        f"{units.many(total, 'token')} of prompts are in the loss ({listed}): {units.share(share)} of the loss",
        fix={"data.loss_on": "assistant"},
    )


def _by_format(measured: Measurement) -> Judgement:
    """Rows without a chat template: by the header that they share."""
    n = measured.numbers["format"]
    header = f"“{one_line(n['header'], 40)}”"
    if n["whole"]:
        return warned(
            f"{n['whole']:,} of {n['documents']:,} rows read are in the loss as a whole, with the"
            f" {units.share(n['prompt_tokens'] / max(1, n['whole_tokens']))} of their tokens before {header}",
            "Mask what precedes it, or declare it: sanetune.check(trainer, loss_on='all').",
        )
    if n["inside"]:
        return failed(
            f"in {n['inside']:,} of {units.many(n['borders'], 'row')} read the loss begins before {header}, each time"
            f" elsewhere: {units.many(n['inside_tokens'], 'token')} of prompts are learned",
            "Mask by position: with padding on the left, a prompt's length counts from the first token that is none.",
        )
    if n["early"]:
        return warned(
            f"in {n['early']:,} of {units.many(n['borders'], 'place')} the loss begins inside the header"
            f" {header}: its last sign is learned",
            BORDER,
        )
    return passed(f"at {units.many(n['borders'], 'place')} all before {header} is masked")
