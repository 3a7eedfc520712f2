"""The trainer's labels differ from an independent derivation of them.

## What it does
Compares every token of every document in the engine's batches, in the loss or masked, with what the message
boundaries require, derived by a second implementation that shares no code with the first. Tokens on which tools
differ for a reason (white space after the end token, text that the template adds inside a turn) are left out.

## Why is this bad?
At least one of the two is wrong, and it is not known what the run will learn.

## Example
Masks made by hand for another template:

```python
collator = CompletionOnlyCollator("### Response:", tokenizer)
```

## Use instead
Read the tokens shown. If the trainer is wrong, let sanetune make the labels (`data.loss_on: assistant`).

```yaml
data:
  train: support.jsonl
  loss_on: assistant
```

## Known problems
A template whose turns cannot be told apart by their text is skipped, and counted.
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed, warned

FIX = "none"
DEPENDS_ON = ("rows",)

LIMITS = {
    "tokens": Limit(0, "the two derivations agree on every token of 41 chat templates with three tokenizers"),
    "unread": Limit(
        0.01, "documents that the independent derivation cannot split: above this share it proves too little"
    ),
}


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    if run_settings.data.loss_on == "all":
        raise NotApplicableError("every token is in the loss (data.loss_on: all)")
    names = ("tokens", "disagree", "disagree_documents", "documents")
    witnesses = batch_stats.seen("disagree") or batch_stats.seen("roles_unknown")
    numbers = {name: batch_stats.total(name) for name in names}
    return Measurement(numbers | {"unread": batch_stats.total("roles_unknown")}, witnesses)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    documents = units.many(numbers["documents"], "document")
    if numbers["disagree"] > limits["tokens"]:
        return failed(
            f"{numbers['disagree']:,} of {units.many(numbers['tokens'], 'token')} are in the loss in one and masked in"
            f" the other, in {numbers['disagree_documents']:,} of {documents}"
        )
    if numbers["unread"] > limits["unread"] * numbers["documents"]:
        return warned(
            f"of {numbers['unread']:,} of {documents} the independent derivation cannot assign a role to the tokens",
            "Check the rows shown: template and tokenizer give other ids.",
        )
    return passed(f"both derivations agree on {units.many(numbers['tokens'], 'token')} of {documents}")
