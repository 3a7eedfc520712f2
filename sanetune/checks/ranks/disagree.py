"""Loss, gradient, rows or saved weights of the processes are not those of one process on the same rows.

## What it does
Makes one step with all processes, as the run makes it, and compares it with one process on the same rows: loss,
gradient norm, weights before and after, the rows that each process gets, and the checkpoint that is written.

## Why is this bad?
Several processes then train another run than one would, and a falling loss does not show it.

Processes that read the same rows see a part of the data; without a sum of gradients each trains a model of its own, of
which one is saved; a checkpoint of sharded weights may hold the part of one process.

## Example
A collator that ignores its rows, or a data set that each process reads from its beginning:

```python
loader = DataLoader(rows, batch_size=8, shuffle=True)
for batch in loader:  # the same rows on each of 8 GPUs
    ...
```

## Use instead
Let the trainer or `accelerator.prepare` share out rows, gradients and weights.

```python
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
```

## Known problems
It proves the first step: a fault that begins later is not seen. Under DeepSpeed it is skipped.

## References
- [accelerate#4206](https://github.com/huggingface/accelerate/issues/4206): an adapter of which one shard was saved
- [PyTorch: DistributedDataParallel](https://docs.pytorch.org/docs/stable/notes/ddp.html): what is summed, and when
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.checks.base import Limit, Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.probes.results import RankComparison

FIX = "none"
VERSION = 2

LIMITS = {
    "exact": Limit(1e-3, "relative difference; in 32 bits, sums in another order differ by about 1e-6"),
    "rounded": Limit(0.03, "relative difference; 16 bits keep two to three digits"),
    "copied": Limit(0.5, "share of a process's rows that another one has too; 0 unless rows are duplicates"),
    "adapter": Limit(2.0, "bytes of an adapter's checkpoint over those of its weights; headers are the rest"),
}


def measure(rank_comparison: RankComparison | None) -> Measurement:
    if rank_comparison is None:
        raise NotApplicableError("one process trains alone")
    saved, given = rank_comparison.saved, rank_comparison.distribution
    numbers = {
        "processes": rank_comparison.processes,
        "how": rank_comparison.how,
        "examples": rank_comparison.examples,
        "loss": rank_comparison.loss,
        "one_loss": rank_comparison.one_loss,
        "norm": rank_comparison.norm,
        "one_norm": rank_comparison.one_norm,
        "copied": list(rank_comparison.copied),
        "started": list(rank_comparison.started),
        "ended": list(rank_comparison.ended),
        "sixteen_bits": rank_comparison.sixteen_bits,
        "rows": given and {"all": given.rows, "missed": given.missed, "repeated": given.repeated},
        "spare_rows": given.spare if given else 0,
        "saved": saved
        and {
            "bytes": saved.size,
            "trained_bytes": saved.trained_size,
            "adapter": saved.adapter,
            "weights": saved.weights,
            "missing": list(saved.missing),
            "difference": saved.differs,
            "differing": saved.differing,
            "sixteen_bits": saved.sixteen_bits,
        },
    }
    return Measurement(numbers)


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    limit = limits["rounded"] if n["sixteen_bits"] else limits["exact"]
    # Rows first: where they are the same, loss and gradient differ for that reason too.
    found = _rows(n, limits) or _weights(n, limit) or _step(n, limit) or _checkpoint(n, limits)
    if found:
        return failed(found)
    saved = ", and so are the saved weights" if n["saved"] else "; the checkpoint was not compared"
    return passed(
        f"A step of {n['processes']} processes ({n['how']}) on {units.many(n['examples'], 'example')} has the loss"
        f" {n['loss']:.4f} and gradient norm {_norm(n['norm'])}, one process {n['one_loss']:.4f} and"
        f" {_norm(n['one_norm'])}; rows and weights are right{saved}"
    )


def _rows(n: Mapping[str, Any], limits: Limits) -> str:
    share = max(n["copied"])
    if share > limits["copied"]:
        rank = n["copied"].index(share)
        return f"Process {rank} gets the same rows as another one: {units.share(share)} of those of its first step"
    rows = n["rows"]
    if rows and max(rows["missed"], rows["repeated"]) > n["spare_rows"]:
        return (
            f"Of {units.many(rows['all'], 'row')} in an epoch, {rows['missed']:,} go to no process and"
            f" {rows['repeated']:,} are given out again"
        )
    return ""


def _weights(n: Mapping[str, Any], limit: float) -> str:
    for key, when in (("started", "before"), ("ended", "after")):
        worst = max(n[key])
        if worst > limit:
            others = "those of the model's files" if key == "started" else "process 0's"
            rank = n[key].index(worst)
            return f"Weights of process {rank} differ {when} the step from {others} by {worst:.2g} (relative)"
    return ""


def _step(n: Mapping[str, Any], limit: float) -> str:
    for name, together, one in (("loss", n["loss"], n["one_loss"]), ("gradient norm", n["norm"], n["one_norm"])):
        if together is None or one is None:
            continue
        apart = abs(together - one) / max(abs(one), 1e-12)
        if not apart <= limit:
            return (
                f"A step of {n['processes']} processes has the {name} {together:.4g}, one process on the same"
                f" {units.many(n['examples'], 'example')} has {one:.4g}"
            )
    return ""


def _checkpoint(n: Mapping[str, Any], limits: Limits) -> str:
    saved = n["saved"]
    if not saved:
        return ""
    trained = saved["weights"] + len(saved["missing"])
    if saved["missing"] and saved["weights"]:
        return (
            f"The checkpoint lacks {len(saved['missing']):,} of {units.many(trained, 'trained weight')}, e.g."
            f" {saved['missing'][0]}"
        )
    limit = limits["rounded"] if saved["sixteen_bits"] else limits["exact"]
    if saved["difference"] > limit:
        return f"{saved['differing']} in the checkpoint differs from that of a process by {saved['difference']:.2g}"
    if saved["adapter"] and saved["bytes"] > limits["adapter"] * max(saved["trained_bytes"], 100_000):
        return (
            f"The checkpoint of the adapter has {units.bytes_(saved['bytes'])}, its trained weights"
            f" {units.bytes_(saved['trained_bytes'])}"
        )
    return ""


def _norm(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
