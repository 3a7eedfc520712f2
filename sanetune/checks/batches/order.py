"""The dataloader repeats, skips or does not shuffle rows.

## What it does
Reads one epoch of the engine's own training dataloader and counts examples that come twice, never, or are not in the
data set; checks whether their order is that of the file. Where several processes train together, it counts what comes
to all of them, rows that come to more than one, and batches of a stream that the main process cannot send to the
others because they differ in width.

## Why is this bad?
Repeated rows count double and skipped rows are never trained on. Rows in file order make the loss curve show the
file, and the last rows are remembered best. Where every process reads the same rows, each is learned once per process
and the effective batch size is that of one. Batches of different widths end the run at its first step.

## Example
```yaml
train:
  train_sampling_strategy: sequential     # on a file sorted by topic
```

## Use instead
Leave the sampler to the trainer: remove `train.train_sampling_strategy: sequential`, or your own sampler.

```yaml
train:
  train_sampling_strategy: random
```
"""

from __future__ import annotations

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.run_settings import RunSettings
from sanetune.finding import Judgement, Measurement, failed, passed, warned

FIX = "none"
DEPENDS_ON = ("rows", "batches")

LIMITS = {
    "share": Limit(0.01, "an epoch that gives all rows but one in a hundred is the epoch that was meant"),
    "steps": Limit(1, "even batches repeat, and dropped last ones leave out, at most the rows of one batch"),
    "shared": Limit(0.5, "rows that are twice in the data come to two processes by chance, but hardly half of them"),
}

SHARING = (
    "Shard the rows once: leave get_train_dataloader to the trainer, or pass the loader through accelerator.prepare."
)
WHOLE = "Give every process the whole data set, in one order: the trainer shards it itself."
SENDING = (
    "Set accelerator_config={'dispatch_batches': False} in TrainingArguments, so that each process reads its own "
    "batches, or pad all rows to one length."
)


def measure(batch_stats: BatchStats, run_settings: RunSettings) -> Measurement:
    split = batch_stats.train
    together = {name: getattr(split, name) for name in ("processes", "distinct", "shared", "unsendable", "apart")}
    together["step"] = run_settings.steps.per_device * run_settings.machine.devices * split.largest_pack
    if not split.rows and split.processes > 1 and split.documents:
        return Measurement(together)
    if not split.rows:
        raise NotApplicableError(
            "the rows come from a stream or have no ids before they are batched"
            if split.documents
            else "there are no rows"
        )
    names = ("rows", "documents", "never", "repeated", "shuffled", "order_known", "partial", "sampler")
    numbers = {name: getattr(split, name) for name in names} | {"foreign": split.not_in_data}
    numbers["sequential"] = run_settings.data.sequential
    return Measurement(numbers | together)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    numbers = measured.numbers
    if numbers["unsendable"]:
        several = units.many(numbers["unsendable"], "batch", "batches")
        return failed(f"{several} of the stream differ in width from those that are sent with them", SENDING)
    if numbers["shared"] > max(limits["shared"] * numbers["distinct"], limits["steps"] * numbers["step"]):
        found = f"of {numbers['distinct']:,} different examples, {numbers['shared']:,} come to several of the"
        return failed(f"{found} {numbers['processes']} processes", SHARING)
    if "rows" not in numbers:
        several = f"{numbers['shared']:,} of {numbers['distinct']:,} different examples"
        return passed(f"{several} come to more than one of the {numbers['processes']} processes")
    rows = numbers["rows"]
    few = limits["share"] * rows
    bounds = {"repeated": limits["steps"] * numbers["step"], "never": limits["steps"] * numbers["step"], "foreign": 0}
    wrong = [
        f"{numbers[name]:,} {words}"
        for name, words in (("repeated", "come twice"), ("never", "never come"), ("foreign", "are not in the data set"))
        if numbers[name] > max(few, bounds[name])
    ]
    read = f"{numbers['documents']:,} of {units.many(rows, 'example')}, as many as the run reads,"
    some = read if numbers["partial"] else units.many(rows, "example")
    if wrong:
        found = f"of {units.many(rows, 'example')}, {', '.join(wrong)} in one epoch"
        if numbers["sampler"] and numbers["foreign"] <= few:  # rows are drawn so on purpose
            return warned(f"{found}: {numbers['sampler']} draws them so", "Leave the sampler out if that is not meant.")
        return failed(f"{found}; each process holds other rows", WHOLE) if numbers["apart"] else failed(found)
    if not numbers["shuffled"]:
        setting = "remove train.train_sampling_strategy: sequential" if numbers["sequential"] else ""
        return warned(
            f"{some} come in the order of the file",
            f"Leave the sampler to the trainer: {setting}."
            if setting
            else "Shuffle the rows, or the trainer's sampler.",
        )
    return passed(f"{some} come once each" + (", shuffled" if numbers["order_known"] else ""))
