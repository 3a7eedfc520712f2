"""The server builds other prompts than the model was trained on.

## What it does
Sends the run's held-out prompts, with their tools and template variables, to the server and asks for the token ids that
it builds: llama.cpp's `/apply-template` and `/tokenize`, vLLM's `/tokenize` with messages, and SGLang's
where it takes them. They are compared with the ids of the very rows that training read.

The number of prompt tokens that the server counts when it answers is compared, too. Where a server does not tell ids
(Ollama, other OpenAI-compatible ones), that number is all there is: equal numbers are no proof, and are reported as
such.

## Why is this bad?
A prompt that was never seen in training gets worse answers, and no error anywhere says so.

A missing line break after the header of a turn, a system prompt that one template adds and the other does not, or tools
in another form are enough.

## Example
The run was trained with its own template, and the server was started with another:

```json
{"prompt": "### User: What is the capital of France?\\n### Assistant:"}
```

## Use instead
Serve the template of the run's model folder (chat_template.jinja), as it is.

For llama.cpp: `--jinja --chat-template-file chat_template.jinja`; for vLLM: `--chat-template chat_template.jinja`; a
GGUF file from `sanetune export RUN --gguf` has it inside.

Where both lists of ids are the same text, the template is right and the tokenizer is not: serve the run's own, or write
the GGUF file anew with another `--pre` or by llama.cpp's own converter (`--converter`).

## Known problems
A server may change a prompt between `/tokenize` and its chat: then the counts differ, and the message says so.

## References
- [Chat templates](https://huggingface.co/docs/transformers/main/chat_templating)
- [llama.cpp's server](https://github.com/ggml-org/llama.cpp/tree/master/tools/server)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.checks.serve._where import around, parting, without_second
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results.served import PromptPair, ServedPrompts

FIX = "none"
TOKENIZER = (
    "The template is the trained one; the tokenizer is not. Serve the run's own (tokenizer.json), or write the GGUF"
    " file anew: with another --pre, or by llama.cpp's converter (--converter)."
)
"""What to do where both are the same text."""


def measure(served_prompts: ServedPrompts) -> Measurement:
    """Compares the ids, after a token that begins a text twice, which serve-double-bos reports."""
    of = served_prompts
    if not of.pairs:
        raise NotApplicableError("there are no prompts")
    known = [pair for pair in of.pairs if pair.served is not None]
    counted = [pair for pair in of.pairs if pair.counted is not None]
    if not known and not counted:
        raise NotApplicableError(of.untold or "the server tells neither ids nor how many they are")
    different = [pair for pair in known if _ids(pair, of.bos)[0] != _ids(pair, of.bos)[1]]
    miscounted = [pair for pair in counted if pair.counted != len(pair.served or pair.trained)]
    numbers = {
        "prompts": len(known or counted),
        "told": len(known),
        "different": len(different),
        "same_text": sum(pair.same_text for pair in different),
        "counted": len(counted),
        "miscounted": len(miscounted),
        "untold": of.untold,
    }
    if different:
        first = different[0]
        mine, theirs = _ids(first, of.bos)
        numbers |= {"at": parting(mine, theirs), "trained_tokens": len(mine), "served_tokens": len(theirs)}
    witnesses = [_witness(pair, of) for pair in (different or miscounted)[:MOST_WITNESSES]]
    return Measurement(numbers, witnesses)


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["different"]:
        words = (
            f"{n['different']:,} of {n['told']:,} prompts become other tokens on the server than in training: the first"
            f" parts at token {n['at']:,} ({n['trained_tokens']:,} trained, {n['served_tokens']:,} served)"
        )
        if n["same_text"] == n["different"]:
            return failed(f"{words}. Their texts are the same: the server splits them into other tokens", TOKENIZER)
        return failed(words)
    if n["miscounted"]:
        if n["told"]:
            return failed(
                f"the server tells the trained ids for all {n['told']:,} prompts, but when it answers it counts another"
                f" number of tokens in {n['miscounted']:,} of {n['counted']:,}"
            )
        return failed(f"{n['miscounted']:,} of {n['counted']:,} prompts have another number of tokens on the server")
    if not n["told"]:
        return warned(
            f"all {n['counted']:,} prompts have as many tokens as in training; the server does not tell which they are",
            "Compare them where the server tells: verify the GGUF file itself (--gguf FILE), or use vLLM or llama.cpp.",
        )
    return passed(f"all {n['told']:,} prompts become the token ids that were trained on")


def _ids(pair: PromptPair, bos: int | None) -> tuple[list[int], list[int]]:
    return without_second(pair.trained, bos), without_second(pair.served or [], bos)


def _witness(pair: PromptPair, of: ServedPrompts) -> Witness:
    if pair.served is None:
        return Witness(pair.text, pair.place, f"{len(pair.trained):,} tokens trained, {pair.counted:,} counted")
    mine, theirs = _ids(pair, of.bos)
    if mine == theirs:
        return Witness(pair.text, pair.place, f"{len(pair.served):,} ids told, {pair.counted:,} counted")
    at = parting(mine, theirs)
    return Witness(
        around(mine, at, of.texts), pair.place, f"trained, around token {at:,}; beside it: served",
        beside=around(theirs, at, of.texts),
    )  # fmt: skip
