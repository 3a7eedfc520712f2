"""The file does not list the token that ends answers.

## What it does
Compares the tokens that end the trained model's answers with those that the GGUF file lists as ends
(`tokenizer.ggml.eos_token_id`, `eot_token_id`, `eom_token_id`).

## Why is this bad?
Whether answers end then depends on the server knowing the token by its text.

llama.cpp knows many (`<|im_end|>`, `<|eot_id|>`, `<end_of_turn>`, …), and a token of your own is none of them.

## Example
The run ends its turns with a token of its own, and the file has the base model's end:

```json
{"tokenizer.ggml.eos_token_id": 0}
```

## Use instead
Set it in the file: gguf-set-metadata FILE tokenizer.ggml.eos_token_id NUMBER.

```json
{"tokenizer.ggml.eos_token_id": 2}
```

## Known problems
Whether the server ends answers all the same is what serve-no-stop tries; this warns because another server, or
another version, may not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results.served import FileFacts

FIX = "none"


def measure(gguf_facts: FileFacts) -> Measurement:
    """Whether one of the trained ends is listed."""
    of = gguf_facts
    if not of.stops:
        raise NotApplicableError("no token ends the trained model's answers")
    names = {one: of.texts.get(one, str(one)) for one in (*of.stops, *of.listed)}
    return Measurement(
        {
            "stops": [names[one] for one in of.stops],
            "listed": [names[one] for one in of.listed],
            "found": of.stops[0] in of.listed,
        }
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    stop, listed = n["stops"][0], ", ".join(n["listed"]) or "none"
    if n["found"]:
        return passed(f"the file lists {stop}, which ends answers as trained")
    return warned(f"answers end with {stop} as trained, and the file lists {listed} as ends")
