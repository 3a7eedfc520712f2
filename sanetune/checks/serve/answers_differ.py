"""The server's next tokens are not those of the trained model.

## What it does
Gives the server each held-out prompt as the trained token ids, followed by the first tokens of the trained model's
greedy answer, one more at a time, and compares the log-probabilities of what comes next, 20 at each token.

The tolerance is measured, not chosen: the trained model computes the same tokens once more with its weights rounded to
the bits in which the server stores them, and, for quantised types, with each layer's inputs rounded to 8 bits, as
ggml's kernels do. A server may be a few times further away than that. How its weights are stored is read from the file,
or is what the server says; for one that does not say, 16 bits are assumed.

With `--gguf FILE` an experiment looks for the cause where tokens differ: the same server runs a copy of the file with
the same values as 32-bit numbers. If the copy answers as trained and the file does not, the difference is the
arithmetic with the stored type; if the copy differs as the file does, it is in the weights. Nothing else is named.

## Why is this bad?
What was evaluated is not what users get: the served model says other things.

## Example
A file quantised to four bits is asked for the capital of France. The trained model gives `The` 15.5 % and `L` 14.0 %;
with rounded inputs the server gives `L` 15.7 % and `The` 13.4 %, and the answer goes on in French:

```json
{"role": "assistant", "content": "L'Étoile, la Marseillaise, la femme"}
```

## Use instead
Serve a type with more bits (Q8_0, F16), or evaluate the file that is served.

`sanetune export RUN --gguf FILE --type q8_0` writes one. If the message says that the weights differ, see
serve-weights-differ.

## Known problems
The rounding is a model of what servers do: ggml chooses scales of its K types with more care, and a GPU rounds
otherwise. A server that samples in spite of `temperature: 0` (repetition penalties) does not change what is compared
here, because log-probabilities are taken before sampling.

## References
- [ggml's quantised dot products](https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-cpu/quants.c)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned
from sanetune.probes.results.served import deviation
from sanetune.text import quote

if TYPE_CHECKING:
    from sanetune.probes.results.served import ServedTokens, TokenPair

FIX = "none"

LIMITS = {
    "beyond": Limit(
        3.0,
        "times the distance that rounding makes; SmolLM2 in Q4_1 is at 1.3 times on llama.cpp. Not calibrated on"
        " other weights of a real model: those of a tiny one are beyond it",
    ),
    "floor": Limit(
        0.05, "nats of mean distance that any correct server may have; SmolLM2 in F16 on llama.cpp has 0.006"
    ),
    "tie": Limit(0.02, "nats between two tokens: closer ones change places with the order of additions"),
    "same": Limit(0.02, "nats of mean distance up to which a copy in 32-bit numbers agrees; SmolLM2's has 0.004"),
}


def measure(served_tokens: ServedTokens, limits: Limits) -> Measurement:
    """Mean distances in nats from the trained model, and the tokens at which the server takes another one."""
    of = served_tokens
    other = [pair for pair in of.pairs if not pair.same and pair.margin > limits["tie"]]
    first: dict[int, TokenPair] = {}
    for pair in other:
        first.setdefault(pair.prompt, pair)
    numbers: dict[str, Any] = {
        "tokens": len(of.pairs),
        "prompts": len(of.prompts),
        "other": len(other),
        "answers_other": len(first),
        "distance": of.mean("served"),
        "explained": of.mean("rounded"),
        "storage": of.storage,
        "assumed": of.assumed,
        "no_copy": of.no_copy,
    }
    if of.copy is not None:
        numbers["copy_distance"] = of.mean("copy")
        numbers["copy_other"] = sum(
            max(served, key=lambda token: served[token]) != pair.likeliest[0]
            for pair, served in zip(of.pairs, of.copy.served, strict=True)
        )
    ordered = sorted(first.values(), key=lambda pair: -deviation(pair.trained, pair.served))
    return Measurement(numbers, [_witness(pair, of) for pair in ordered[:MOST_WITNESSES]])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    allowed = max(limits["floor"], limits["beyond"] * n["explained"])
    storage = f"{n['storage']}{' (assumed)' if n['assumed'] else ''}"
    away = f"{n['distance']:.3f} nats from the trained log-probabilities (rounding to {storage}: {n['explained']:.3f})"
    tokens = f"{n['other']:,} of {units.many(n['tokens'], 'first token')} in {units.many(n['prompts'], 'answer')}"
    message = f"{tokens} differ, {away}{_cause(n, limits)}"
    if n["distance"] > allowed:
        return failed(message, _remedy(n, limits))
    if n["other"]:
        return warned(message)
    return passed(f"none of {units.many(n['tokens'], 'first token')} in {n['prompts']:,} answers differs, {away}")


def _cause(n: dict[str, Any], limits: Limits) -> str:
    """What the experiment with a copy in 32-bit numbers established; "" where it was not made."""
    if "copy_distance" not in n:
        return ""
    copy = f"{n['copy_distance']:.3f} nats, {n['copy_other']:,} other tokens"
    if n["copy_distance"] <= limits["same"]:
        return f". Cause: the arithmetic on {n['storage']} weights; the same values as 32-bit numbers agree ({copy})"
    if n["copy_distance"] > n["distance"] / 2:
        return f". Cause: the file's weights; the same values as 32-bit numbers differ, too ({copy})"
    return f". The same values as 32-bit numbers: {copy}; arithmetic and weights both have a part"


def _remedy(n: dict[str, Any], limits: Limits) -> str:
    if n.get("copy_distance", 0.0) > limits["same"]:
        return "See serve-weights-differ: compare the file with the run, and export it again."
    return "Serve the run's own weights: sanetune export RUN --gguf FILE, or its model folder."


def _witness(pair: TokenPair, of: ServedTokens) -> Witness:
    mine, theirs = pair.likeliest
    floor = min(pair.served.values())
    note = (
        f"token {pair.position + 1}: trained {quote(of.texts.get(mine, ''), 20)} {pair.trained[mine]:.2f}, served"
        f" {quote(of.texts.get(theirs, ''), 20)} {pair.served[theirs]:.2f} and {pair.served.get(mine, floor):.2f}"
    )
    return Witness(of.prompts[pair.prompt], None, note)
