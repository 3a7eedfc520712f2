"""The trainer's labels differ from an independent derivation of them.

## What it does
Compares every token of every document in the engine's batches, in the loss or masked, with what the message
boundaries require, derived by a second implementation that shares no code with the first. Tokens on which tools
differ for a reason (white space after the end token, text that the template adds inside a turn) are left out.

Prompts in the loss, masked answers and masked ends have checks of their own. Where they explain every difference, this
check is skipped and names them.

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
A template whose turns cannot be told apart by their text is skipped, and counted; so are rows that follow no
template. Marks of the template that are in the loss apart from an answer (`<|im_start|>`, as in Qwen's own script)
are a warning.
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.checks.labels._scope import require_masks, require_own_places, with_roles
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed, warned

FIX = "none"
DEPENDS_ON = ("rows",)
VERSION = 2

LIMITS = {
    "tokens": Limit(0, "the two derivations agree on every token of 41 chat templates with three tokenizers"),
    "unread": Limit(
        0.01, "documents that the independent derivation cannot split: above this share it proves too little"
    ),
}


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    require_masks(run_settings)
    require_own_places(batch_stats)
    if not with_roles(batch_stats):
        raise NotApplicableError(
            "the rows follow no chat template, so that no second derivation of the labels can be made"
        )
    names = ("tokens", "compared", "disagree", "disagree_documents", "documents", "missing_reply")
    numbers = {name: batch_stats.total(name) for name in names}
    prompts = sum(split.loss_tokens_by[role] for split in batch_stats.splits for role in ("system", "user", "tool"))
    both_ways = bool(prompts and numbers["missing_reply"])  # then it is the masks as a whole
    explained = 0 if both_ways else batch_stats.total("disagree_explained")
    marks = 0 if both_ways else batch_stats.total("marks_in_loss")
    headers = 0 if both_ways else batch_stats.total("headers_in_loss")
    if numbers["disagree"] and explained == numbers["disagree"]:
        by = "labels-on-prompt" if prompts else "labels-missing-reply or template-end-unlearnt"
        raise NotApplicableError(f"{units.many(explained, 'token')} differ, all of which {by} tells")
    witnesses = batch_stats.seen("disagree") or batch_stats.seen("roles_unknown")
    return Measurement(
        numbers
        | {"explained": explained, "marks": marks, "headers": headers, "unread": batch_stats.total("roles_unknown")},
        witnesses,
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    documents = units.many(numbers["documents"], "document")
    left = numbers["disagree"] - numbers["explained"]
    marks = numbers["marks"]
    if left - marks > limits["tokens"]:
        if left - marks == numbers["headers"]:
            return failed(
                f"{units.many(numbers['headers'], 'token')} of the headers before answers are in the loss, in"
                f" {numbers['disagree_documents']:,} of {documents}: each mask ends before its header does",
                "Mask the header too: inference writes it, and the first token to learn is the answer's.",
            )
        return failed(
            f"{left:,} of {units.many(numbers['tokens'], 'token')} are in the loss in one and masked in"
            f" the other, in {numbers['disagree_documents']:,} of {documents}"
        )
    if marks > limits["tokens"]:
        return warned(
            f"{units.many(marks, 'mark')} of the template between turns are in the loss, in"
            f" {numbers['disagree_documents']:,} of {documents}",
            "Mask them, unless they are learned on purpose: inference writes them itself.",
        )
    if numbers["unread"] > limits["unread"] * numbers["documents"]:
        return warned(
            f"of {numbers['unread']:,} of {documents} the independent derivation cannot assign a role to the tokens",
            "Check the rows shown: template and tokenizer give other ids.",
        )
    return passed(f"both derivations agree on {units.many(numbers['compared'], 'token')} of {documents}")
