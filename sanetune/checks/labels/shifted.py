"""Labels do not line up with their inputs.

Measures: Labels in the engine's own batches that are another id than the input at the same place, and documents in
which most labels are the id of the next or the previous input.
Matters: transformers' models shift labels by one themselves. Labels that are shifted already teach the token after
next: the loss falls, and the model writes nonsense.
Cause: A collator or data set that shifts labels, as loops written for plain PyTorch do.
Fix: Give labels that equal input_ids wherever a token is learnt and are -100 elsewhere; remove the shift.
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits
from sanetune.evidence.batch_stats import BatchStats
from sanetune.finding import Judgement, Measurement, failed, passed

LIMITS = {"tokens": Limit(0, "a causal model's labels are its inputs: transformers' loss functions shift them")}


def measure(reading: BatchStats) -> Measurement:
    names = ("changed", "shifted", "learnt", "documents")
    return Measurement({name: reading.total(name) for name in names}, reading.seen("changed"))


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    if numbers["changed"] <= limits["tokens"]:
        return passed(f"all {units.many(numbers['learnt'], 'label')} equal the input at their place")
    labels = units.many(numbers["learnt"], "label")
    what = f"{numbers['changed']:,} of {labels} are another id than the input at their place"
    if numbers["shifted"]:
        what += f"; in {numbers['shifted']:,} of {units.many(numbers['documents'], 'document')} they are a neighbour's"
    return failed(what)
