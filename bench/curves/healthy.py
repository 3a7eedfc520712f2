"""How often the curve checks speak about healthy logs of kinds that strangers bring: by simulation, a thousand of each.

Courses fall fast and then slowly, at a learning rate that is constant, linear, or a cosine. Each kind has one thing
that is usual in public logs and that some rule could take for a fault: tails, neighbours that are alike, batches of one
row, few records, small evaluation sets, tasks of unequal loss, the order of rows, large gradients, a learning rate that
starts again by design, resumed logs. Every log is read as its trainer_state.json would be. Nothing is trained; some
minutes.

``python -m bench.curves.healthy [--quick] [--json F]``
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.curves.courses import Array, Chance, Course, course, curve, entries, evaluated, noise
from bench.curves.judging import chance_of, findings
from bench.figures import options, show
from sanetune.curves.logs.log import Log
from sanetune.curves.series import Curve


def heavy_tails(chance: Chance) -> Curve:
    one = course(chance, scatter=chance.uniform(0.02, 0.08))
    return curve(one, entries(chance, one, one.scatter * chance.standard_t(4, one.count)))


def alike(chance: Chance) -> Curve:
    """Neighbouring records are alike: rows in blocks of one source."""
    one = course(chance)
    return curve(one, entries(chance, one, correlated(chance, one.count, chance.uniform(0.5, 0.9)) * one.scatter))


def correlated(chance: Chance, count: int, rho: float) -> Array:
    values = chance.standard_normal(count)
    for i in range(1, count):
        values[i] = rho * values[i - 1] + np.sqrt(1 - rho**2) * values[i]
    return values


def louder_at_first(chance: Chance) -> Curve:
    one = course(chance, scatter=chance.uniform(0.02, 0.08))
    return curve(one, entries(chance, one, noise(chance, one) * (1 + chance.uniform(1, 4) * np.exp(-one.at / 0.1))))


def louder_at_last(chance: Chance) -> Curve:
    """The better a model knows its rows, the further apart easy and hard ones are."""
    one = course(chance)
    return curve(one, entries(chance, one, noise(chance, one) * (1 + chance.uniform(0.5, 2) * one.at)))


def one_row(chance: Chance) -> Curve:
    """Batches of one row, every step logged."""
    one = course(chance, 30, scatter=chance.uniform(0.3, 0.5))
    return curve(one, entries(chance, one, one.scatter * chance.standard_normal(one.count)))


def tasks(chance: Chance) -> Curve:
    """A record is of one to four of several tasks, whose losses differ up to five times."""
    one, count = course(chance, 30), int(chance.integers(2, 6))
    levels, each = np.exp(chance.uniform(-0.8, 0.8, count)), int(chance.integers(1, 5))
    picked = levels[chance.integers(0, count, (one.count, each))].mean(1) / levels.mean()
    return curve(one, entries(chance, one, level=one.true * picked) + evaluated(chance, one))


def few_records(chance: Chance) -> Curve:
    one = course(chance, 2, 15)
    return curve(one, entries(chance, one) + evaluated(chance, one, count=int(chance.integers(1, 6))))


def few_records_alone(chance: Chance) -> Curve:
    one = course(chance, 2, 15, scatter=chance.uniform(0.02, 0.3))
    return curve(one, entries(chance, one))


def tiny_run(chance: Chance) -> Curve:
    """5 to 60 steps, each logged."""
    one = replace(course(chance, 5, 60, scatter=chance.uniform(0.08, 0.3)), every=1)
    return curve(one, entries(chance, one))


def small_evaluation(chance: Chance) -> Curve:
    """Evaluations of few rows, which differ by 1 to 5 % from one to the next for no reason."""
    one = course(chance)
    return curve(one, entries(chance, one) + evaluated(chance, one, jitter=chance.uniform(0.007, 0.035)))


def flat_evaluation(chance: Chance) -> Curve:
    """From 40 to 90 % of the run on evaluations are flat, or rise by up to 1 %."""
    one = course(chance)
    made = evaluated(
        chance, one, jitter=chance.uniform(0.001, 0.004), flat=chance.uniform(0.4, 0.9), rise=chance.uniform(0, 0.01)
    )
    return curve(one, entries(chance, one) + made)


def flat_few_evaluations(chance: Chance) -> Curve:
    """One evaluation in each of two to five epochs; flat at the end, of some hundred rows."""
    one = course(chance, 20, epochs=float(chance.integers(2, 6)))
    made = evaluated(chance, one, count=int(one.epochs), jitter=chance.uniform(0.002, 0.01), flat=0.6)
    return curve(one, entries(chance, one) + made)


def classifier(chance: Chance) -> Curve:
    """From ln 2 to 0.01 to 0.2, batches of few rows: most are near zero, some are not."""
    one = course(chance, 20, 300, epochs=float(chance.integers(1, 4)))
    true = 0.69 * np.exp(-np.log(0.69 / chance.uniform(0.01, 0.2)) * one.at ** chance.uniform(0.25, 0.5))
    one = replace(one, true=true)
    made = evaluated(chance, one, count=int(chance.integers(4, 13)), jitter=0.02)
    return curve(one, entries(chance, one, chance.uniform(0.2, 0.6) * chance.standard_normal(one.count)) + made)


def order_of_rows(chance: Chance) -> Curve:
    """Rows come in one order in every epoch, easier or harder ones first: up to 15 % between both ends of an epoch."""
    one = course(chance, 30)
    within = (one.epochs * (one.at - 0.5 / one.count)) % 1.0
    made = evaluated(chance, one, count=int(4 * one.epochs))
    return curve(one, entries(chance, one, level=one.true * (1 + chance.uniform(-0.15, 0.15) * (within - 0.5))) + made)


def by_length(chance: Chance) -> Curve:
    """Batches of rows of like length in random order (group_by_length): long rows have another loss."""
    one = course(chance, 30)
    return curve(
        one, entries(chance, one, noise(chance, one) + chance.uniform(0.1, 0.3) * chance.uniform(-1, 1, one.count))
    )


def accumulated(chance: Chance) -> Curve:
    """The last step of each epoch has fewer rows."""
    one = course(chance, 30, epochs=3.0)
    rest = noise(chance, one)
    for epoch in range(1, 4):
        rest[min(one.count - 1, round(epoch * one.count / 3))] *= chance.uniform(2, 4)
    return curve(one, entries(chance, one, rest))


def large_gradients(chance: Chance) -> Curve:
    """Some gradient norms are 10 to 300 times the others; all of them up to twice as large at the end."""
    one = course(chance, 16)
    norms = np.exp(0.3 * chance.standard_normal(one.count)) * (1 + one.at * chance.uniform(-0.5, 1))
    lone = chance.random(one.count) < chance.uniform(0.005, 0.03)
    return curve(one, entries(chance, one, norms=np.where(lone, norms * chance.uniform(10, 300, one.count), norms)))


def restarts(chance: Chance) -> Curve:
    """``cosine_with_restarts``: two to five cycles by design."""
    one, cycles = course(chance, 40), int(chance.integers(2, 6))
    lr = 0.5 + 0.5 * np.cos(np.pi * ((cycles * (one.at - 1 / one.count)) % 1.0))
    return curve(one, entries(chance, replace(one, lr=lr)))


def resumed(chance: Chance) -> Curve:
    """Stopped at some step and begun again from a checkpoint before it: steps are in the log twice."""
    one = course(chance, 30)
    norms = np.exp(0.25 * chance.standard_normal(one.count))
    first, second = (entries(chance, one, norms=norms) for _ in range(2))
    stop = int(one.count * chance.uniform(0.3, 0.9))
    log = [*first[:stop], *second[max(0, stop - int(chance.integers(1, 10))) :]]
    return Log.of(Path("trainer_state.json"), "", log, total_steps=one.every * one.count).curve()


def metrics_alone(chance: Chance) -> Curve:
    """Evaluations log accuracy and no loss."""
    one = course(chance)
    made = [{**entry, "eval_accuracy": 0.8} for entry in evaluated(chance, one)]
    for entry in made:
        del entry["eval_loss"]
    return curve(one, entries(chance, one) + made)


def checkpoint(chance: Chance) -> Curve:
    """The log of a checkpoint in the middle of a run."""
    one = course(chance, 20)
    part = entries(chance, one)[: int(one.count * chance.uniform(0.3, 0.9))]
    made = [entry for entry in evaluated(chance, one) if entry["step"] <= part[-1]["step"]]
    return curve(one, part + made)


def coarse(chance: Chance) -> Curve:
    """Losses of two decimals."""
    one = course(chance)
    return curve(one, [{**entry, "loss": round(entry["loss"], 2)} for entry in entries(chance, one)])


def hardly_falls(chance: Chance) -> Curve:
    """Continued pre-training, or a model that has been tuned before: 3 to 8 % in all."""
    return _hardly_falling(chance, course(chance, 30, scatter=chance.uniform(0.01, 0.06)))


def few_exact(chance: Chance) -> Curve:
    """The same in few records, each the mean of many steps."""
    return _hardly_falling(chance, course(chance, 8, 63, scatter=chance.uniform(0.0005, 0.02)))


def _hardly_falling(chance: Chance, one: Course) -> Curve:
    start = one.true[0]
    true = start * (1 - (1 - one.true / start) * chance.uniform(0.03, 0.08) / (1 - one.true[-1] / start))
    return curve(one, entries(chance, replace(one, true=true)))


KINDS: dict[str, Callable[[Chance], Curve]] = {
    "heavy tails": heavy_tails,
    "neighbours alike": alike,
    "louder at first": louder_at_first,
    "louder at last": louder_at_last,
    "batches of one row": one_row,
    "several tasks": tasks,
    "2 to 15 records, evaluations": few_records,
    "2 to 15 records": few_records_alone,
    "5 to 60 steps, each logged": tiny_run,
    "evaluations that jitter by 1 to 5 %": small_evaluation,
    "evaluations flat at the end": flat_evaluation,
    "an evaluation an epoch, flat at the end": flat_few_evaluations,
    "classifier near zero": classifier,
    "an order of rows": order_of_rows,
    "grouped by length": by_length,
    "short last steps of epochs": accumulated,
    "lone large gradients": large_gradients,
    "cosine with restarts": restarts,
    "resumed": resumed,
    "metrics without a loss": metrics_alone,
    "checkpoint in the middle": checkpoint,
    "two decimals": coarse,
    "falls by 3 to 8 %": hardly_falls,
    "falls by 3 to 8 %, few exact records": few_exact,
}


def main() -> int:
    args = options(__doc__)
    count = 60 if args.quick else 1_000
    rows, every = [], Counter[str]()
    for name, make in KINDS.items():
        logs = (findings(make(chance_of(name, seed))) for seed in range(count))
        found = [{one.check: one.verdict.value for one in some} for some in logs]
        by = Counter(check for one in found for check in one)
        fails = sum("fail" in one.values() for one in found)
        every.update(by)
        rows.append({"kind": name, "logs": count, "with": sum(map(bool, found)), "fail": fails, "by": dict(by)})
    words = [
        [one["kind"], one["logs"], one["with"], one["fail"], ", ".join(f"{k[6:]} {v}" for k, v in one["by"].items())]
        for one in rows
    ]
    columns = ["kind", "logs", "with a finding", "fail", "by"]
    show("Healthy logs", columns, words, {"kinds": rows, "checks": every}, args.json)
    logs = count * len(KINDS)
    print(f"{sum(one['with'] for one in rows)} of {logs:,} with a finding; by check:", dict(every.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
