"""The chat template that is served renders the prompts otherwise than the run's.

## What it does
Renders the held-out prompts, with their tools, by the template inside the GGUF file (or by the one that llama.cpp's
server says it uses) and by the run's, both in sanetune's sandbox, and compares the texts. Templates that are written
differently and render the same pass.

## Why is this bad?
Every prompt reaches the model in a form that it was not trained on.

It is the most frequent fault of published files: a converter took the template of the base model, or an older one.

## Example
The file has the base model's template, which adds a system prompt:

```json
{"tokenizer.chat_template": "{{ 'You are a helpful assistant.' }}..."}
```

## Use instead
Put the run's template into the file: gguf-new-metadata --chat-template-file chat_template.jinja OLD NEW.

`sanetune export RUN --gguf FILE` writes it. A server can also be given the file: `--chat-template-file`.

## Known problems
llama.cpp renders with its own implementation of Jinja. What it makes of a template is compared by
serve-prompt-differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed
from sanetune.text import shorten

if TYPE_CHECKING:
    from sanetune.probes.results.served import RenderedPair, ServedTemplate

FIX = "none"

SHOWN = 120
"""Characters of a text that are shown, from a little before the difference."""


def measure(served_template: ServedTemplate) -> Measurement:
    """Counts prompts whose texts differ."""
    of = served_template
    if not (of.missing or of.same or of.pairs):
        raise NotApplicableError(f"the template of {of.source} is written differently, and there are no prompts")
    different = [pair for pair in of.pairs if pair.error or pair.trained != pair.served]
    numbers = {
        "source": of.source,
        "missing": of.missing,
        "same": of.same,
        "prompts": len(of.pairs),
        "different": len(different),
        "refused": sum(bool(pair.error) for pair in different),
        "error": next((pair.error for pair in different if pair.error), ""),
    }
    return Measurement(numbers, [_witness(pair) for pair in different[:MOST_WITNESSES]])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["missing"]:
        return failed(f"{n['source']} has no chat template, so that the server takes one of its own")
    if n["refused"]:
        return failed(f"the template of {n['source']} refuses {n['refused']:,} prompts: {shorten(n['error'], 120)}")
    if n["different"]:
        return failed(
            f"the template of {n['source']} renders {n['different']:,} of {n['prompts']:,} prompts otherwise than the"
            " run's"
        )
    if n["same"]:
        return passed(f"the template of {n['source']} is the run's")
    return passed(f"the template of {n['source']} is written differently and renders {n['prompts']:,} prompts the same")


def _witness(pair: RenderedPair) -> Witness:
    if pair.error:
        return Witness(pair.error, pair.place)
    pairs = enumerate(zip(pair.trained, pair.served, strict=False))
    at = next((at for at, (one, other) in pairs if one != other), min(len(pair.trained), len(pair.served)))
    start = max(0, at - SHOWN // 4)
    mine, theirs = (text[start : start + SHOWN] for text in (pair.trained, pair.served))
    return Witness(mine, pair.place, "trained; beside it: served", beside=theirs)
