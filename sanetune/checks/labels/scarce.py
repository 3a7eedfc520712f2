"""So few tokens are learnt that most of the compute is spent on prompts.

Measures: The share of learnt tokens among all tokens of the documents in the engine's training batches.
Matters: Every token costs the same forward and backward pass; where few are learnt, the run is dearer than it looks and
each step's gradient rests on little.
Cause: Long system prompts, tool descriptions or documents before short answers; an answer format of one word.
Fix: Shorten what all prompts share, learn all assistant turns and not only the last, and pack short rows
(train.packing: true). It is no fault where long inputs are the task.
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.finding import Judgement, Measurement, passed, warned

LIMITS = {
    "share": Limit(
        0.02, "real tool-calling data has 3 % (drone), long customer service 22 %, short answers 38 % to 60 %"
    ),
}


def measure(reading: BatchStats) -> Measurement:
    side = reading.train
    if not side.learnt:
        raise NotApplicableError("nothing at all is learnt: see labels-none")
    per = side.learnt / max(1, side.documents)
    return Measurement(
        {"learnt": side.learnt, "tokens": side.tokens, "share": side.learnt / side.tokens, "per_document": per}
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    what = (
        f"{units.share(numbers['share'])} of {units.count(numbers['tokens'])} tokens are learnt,"
        f" {numbers['per_document']:,.0f} per document"
    )
    return warned(what) if numbers["share"] < limits["share"] else passed(what)
