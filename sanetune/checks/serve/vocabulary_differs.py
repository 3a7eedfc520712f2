"""The file's vocabulary is not that of the run's tokenizer.

## What it does
Compares the text of every token id in the GGUF file with the run's tokenizer. Ids beyond the tokenizer's last one, with
which models are often padded, are left out.

## Why is this bad?
The model's answers are read with other texts than it was trained with, and prompts become other tokens.

## Example
Tokens were added for the run, and the file was made from the base model's tokenizer:

```json
{"49152": "<|tool|>"}
```

## Use instead
Convert the folder that holds the run's tokenizer: sanetune export RUN --gguf FILE.

## Known problems
How a text is split into pieces before merges apply (`tokenizer.ggml.pre`) is not visible in the vocabulary;
serve-prompt-differs compares what comes of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, Witness, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results.served import FileFacts

FIX = "none"


def measure(gguf_facts: FileFacts) -> Measurement:
    """Counts ids whose texts differ, and tokens that the file does not have."""
    of = gguf_facts
    if not of.tokens:
        raise NotApplicableError("the file has no list of tokens")
    numbers = {
        "tokens": of.tokens,
        "trained_tokens": of.trained_tokens,
        "different": of.differing,
        "fewer": max(0, of.trained_tokens - of.tokens),
    }
    witnesses = [Witness(mine, None, f"id {number} as trained", beside=other) for number, mine, other in of.different]
    return Measurement(numbers, witnesses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["different"]:
        return failed(f"{n['different']:,} of {n['trained_tokens']:,} token ids have another text in the file")
    if n["fewer"]:
        return failed(f"the file has {n['tokens']:,} tokens, {n['fewer']:,} fewer than the run's tokenizer")
    return passed(f"all {n['trained_tokens']:,} tokens of the run have the same text in the file")
