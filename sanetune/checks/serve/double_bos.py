"""The server puts the token that begins a text twice before prompts that were trained with one.

## What it does
Compares the beginning of the token ids that the server builds of the held-out prompts with that of the ids that were
trained on.

## Why is this bad?
The model never saw two of them in training, and the first tokens of a prompt weigh on all that follows.

Many models put most of their attention on the first token. Answers get worse by a little everywhere, which no test of a
few prompts shows.

## Example
The chat template writes `<s>`, and the file tells the server to add it as well:

```json
{"tokenizer.ggml.add_bos_token": true}
```

## Use instead
Let only one of the two write it: the template, as in training.

For a GGUF file set `tokenizer.ggml.add_bos_token` to false (`gguf-set-metadata FILE tokenizer.ggml.add_bos_token 0`),
or export it again with `sanetune export RUN --gguf`. For vLLM leave `add_special_tokens` unset in chat requests.

```json
{"tokenizer.ggml.add_bos_token": false}
```

## References
- [llama.cpp, "Added a BOS token to the prompt as specified by the model but the prompt also
  starts with a BOS token"](https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results.served import ServedPrompts

FIX = "none"


def measure(served_prompts: ServedPrompts) -> Measurement:
    """Counts the tokens at the beginning of each prompt that are the one that begins a text."""
    of = served_prompts
    if of.bos is None:
        raise NotApplicableError("the tokenizer has no token that begins a text")
    known = [pair for pair in of.pairs if pair.served is not None]
    if not of.pairs:
        raise NotApplicableError("there are no prompts")
    if not known:
        raise NotApplicableError(of.untold)
    doubled = [pair for pair in known if _leading(pair.served or [], of.bos) > max(1, _leading(pair.trained, of.bos))]
    numbers = {
        "prompts": len(known),
        "doubled": len(doubled),
        "token": of.texts.get(of.bos, ""),
        "trained": max(_leading(pair.trained, of.bos) for pair in known),
        "served": max(_leading(pair.served or [], of.bos) for pair in known),
    }
    return Measurement(
        numbers,
        [
            Witness("".join(of.texts.get(one, "") for one in (pair.served or [])[:8]), pair.place, "as served")
            for pair in doubled[:MOST_WITNESSES]
        ],
    )


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if not n["doubled"]:
        return passed(f"none of {n['prompts']:,} prompts begins with more than one {n['token']} that training had not")
    return failed(
        f"{n['doubled']:,} of {n['prompts']:,} prompts begin with {n['served']} {n['token']} on the server, and with"
        f" {n['trained']} in training"
    )


def _leading(ids: list[int], token: int) -> int:
    """How many tokens at the beginning are ``token``."""
    return next((at for at, one in enumerate(ids) if one != token), len(ids))
