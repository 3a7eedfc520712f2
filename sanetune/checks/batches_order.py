"""The dataloader repeats, skips or does not shuffle rows.

Measures: One epoch of the engine's own training dataloader: examples that come twice, never, or are not in the data
set, and whether their order is the file's.
Matters: Repeated rows weigh double and skipped ones are not learnt. Rows in file order give batches of one kind after
another: the loss curve shows the file and not the model, and what comes last is remembered best.
Cause: A sampler of one's own, a loader resumed in the middle of an epoch, shuffling switched off, or a sorted file.
Fix: Leave the sampler to the trainer (remove train.train_sampling_strategy: sequential, or your own sampler).
"""

from __future__ import annotations

from sanetune import units
from sanetune.audit.reading import Reading
from sanetune.checks import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed, warned

LIMITS = {
    "share": Limit(0.01, "even batches on several devices repeat at most a batch's worth of rows"),
}


def measure(reading: Reading) -> Measurement:
    side = reading.train
    if side.documents and not side.rows:
        raise NotApplicableError("the rows come from a stream or have no ids before they are batched")
    names = ("rows", "documents", "never", "repeated", "foreign", "shuffled")
    return Measurement({name: getattr(side, name) for name in names})


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    rows = numbers["rows"]
    bound = limits["share"] * rows
    wrong = [
        f"{numbers[name]:,} {words}"
        for name, words in (("repeated", "come twice"), ("never", "never come"), ("foreign", "are not in the data set"))
        if numbers[name] > bound
    ]
    if wrong:
        return failed(f"of {units.many(rows, 'example')}, {', '.join(wrong)} in one epoch")
    if not numbers["shuffled"]:
        return warned(f"{units.many(rows, 'example')} come in the order of the file")
    return passed(f"{units.many(rows, 'example')} come once each, shuffled")
