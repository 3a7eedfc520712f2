"""The file's weights are not the trained ones, and rounding does not explain it.

## What it does
Reads every tensor of the GGUF file, undoes what llama.cpp's converter does to it (names, and for models of the Llama
family the order of rows in query and key matrices), and compares it with the tensor of the run's model folder. What
rounding to the file's type does to the trained tensor is computed beside it, block by block.

It is skipped without `--gguf FILE`, and for architectures whose form in a file is not known here.

## Why is this bad?
The file holds another model: an earlier checkpoint, the base, or one that was converted wrongly.

## Example
The base model was converted instead of the tuned one:

```json
{"general.name": "SmolLM2 135M Instruct"}
```

## Use instead
Convert the run's own model folder: sanetune export RUN --gguf FILE.

```json
{"general.name": "my-run"}
```

## Known problems
Types with an importance matrix are rounded with more care than is computed here, which makes the check milder. Tensors
whose type cannot be read are counted and named.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import MOST_WITNESSES, Judgement, Measurement, Witness, failed, passed, warned

if TYPE_CHECKING:
    from sanetune.probes.results.served import TensorDifference, WeightComparison

FIX = "none"

LIMITS = {
    "beyond": Limit(1.5, "times what rounding to the tensor's type does; a correct Q4_1 file of SmolLM2 is at 1.00"),
    "floor": Limit(0.005, "parts of a tensor's size: 16-bit formats on the way round by up to 0.002"),
    "unknown": Limit(0.5, "parts of a tensor's size, for a type whose rounding is not known: two bits make 0.3"),
}


def measure(gguf_weights: WeightComparison, limits: Limits) -> Measurement:
    """Root mean square of the difference of each tensor, in parts of its own."""
    of = gguf_weights
    if not of.tensors and not of.missing and not of.reshaped:
        raise NotApplicableError("no tensor of the file could be compared")
    # "not ... <=", because a tensor with NaN in it is compared to nothing.
    bad = sorted((one for one in of.tensors if not one.error <= _allowed(one, limits)), key=_far, reverse=True)
    worst = max(of.tensors, key=_far, default=None)
    numbers = {
        "tensors": len(of.tensors),
        "different": len(bad),
        "missing": len(of.missing),
        "uncompared": len(of.uncompared),
        "reshaped": len(of.reshaped),
        "more": len(of.more),
        "worst": worst.error if worst else 0.0,
        "worst_explained": worst.explained if worst else 0.0,
        "worst_name": worst.name if worst else "",
    }
    witnesses = [
        Witness(one.name, None, f"{one.stored}: differs by {one.error:.1%} of its size, rounding: {one.explained:.1%}")
        for one in bad
    ]
    witnesses += [Witness(name, None, words) for name, words in of.reshaped.items()]
    witnesses += [Witness(name, None, "the file does not have it") for name in of.missing]
    witnesses += [Witness(name, None, "the trained model does not have it") for name in of.more]
    witnesses += [Witness(name, None, reason) for name, reason in of.uncompared.items()]
    return Measurement(numbers, witnesses[:MOST_WITNESSES])


def judge(m: Measurement, limits: Limits) -> Judgement:
    n = m.numbers
    if n["different"]:
        return failed(
            f"{n['different']:,} of {n['tensors']:,} tensors are further from the trained ones than rounding explains:"
            f" {n['worst_name']} by {n['worst']:.1%} of its size"
        )
    if n["reshaped"]:
        return failed(f"{n['reshaped']:,} tensors have another shape in the file than the trained ones")
    if n["missing"]:
        return failed(
            f"{n['missing']:,} trained tensors are not in the file, which has {n['tensors']:,} others of them"
        )
    if n["more"]:
        return failed(
            f"the file has {n['more']:,} tensors that the trained model does not have; the other {n['tensors']:,} are"
            " the trained ones, rounded"
        )
    if n["uncompared"]:
        return warned(
            f"{n['tensors']:,} tensors are the trained ones, rounded; {n['uncompared']:,} could not be compared",
            "Compare answers instead: serve-answers-differ.",
        )
    return passed(
        f"all {n['tensors']:,} tensors are the trained ones, rounded: the furthest by {n['worst']:.2%} of its size"
    )


def _far(one: TensorDifference) -> float:
    return math.inf if math.isnan(one.error) else one.error


def _allowed(one: TensorDifference, limits: Limits) -> float:
    if math.isnan(one.explained):
        return limits["unknown"]
    return max(limits["floor"], limits["beyond"] * one.explained)
