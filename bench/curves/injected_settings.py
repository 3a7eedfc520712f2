"""Other faults of a log, and clean twins that look like faults, in the noise of healthy real logs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from bench.curves.injected import Donors, Make
from bench.curves.real_noise import Base, Chance, base, changed, evaluated
from sanetune.curves.series import Curve, Point

# ---- faults ----


def endless_warmup(chance: Chance, some: Donors) -> Curve:
    """The learning rate rises over 30 to 100 % of the run; over half of these logs hardly fall."""
    one, share = base(chance, some, least=60), chance.uniform(0.3, 1.0)
    lrs = np.minimum(1.0, np.arange(1, one.count + 1) / (share * one.count))
    if chance.random() < 0.5:
        one = changed(one, np.full(one.count, one.level.mean()))
    return replace(one, lrs=lrs).curve()


def nan_losses(chance: Chance, some: Donors) -> Curve:
    one = base(chance, some)
    return _from(one.curve(), int(one.count * chance.uniform(0.2, 0.95)), loss=math.nan)


def nan_norms(chance: Chance, some: Donors) -> Curve:
    """Losses hidden by the trainer, gradient norms not."""
    one = base(chance, some)
    return _from(one.curve(), int(one.count * chance.uniform(0.2, 0.65)), grad_norm=math.nan)


def lr_gone(chance: Chance, some: Donors) -> Curve:
    one = base(chance, some)
    return _from(one.curve(), int(one.count * chance.uniform(0.2, 0.8)), lr=0.0)


def empty_batches(chance: Chance, some: Donors) -> Curve:
    curve, share = base(chance, some).curve(), chance.uniform(0.08, 0.5)
    empty = chance.random(len(curve.points)) < share
    return replace(curve, points=[replace(p, loss=0.0) if e else p for p, e in zip(curve.points, empty, strict=True)])


def start_high(chance: Chance, some: Donors) -> Curve:
    return start_high_base(chance, some).curve()


def start_high_base(chance: Chance, some: Donors) -> Base:
    """The record of :func:`start_high`."""
    one = base(chance, some)
    return changed(one, one.level * (chance.uniform(11.5, 20) / one.level[0]))


def summed(chance: Chance, some: Donors) -> Curve:
    """Training losses are the sums of 4 to 32 micro-batches, validation losses are means."""
    one, times = base(chance, some), int(chance.choice([4, 8, 16, 32]))
    found = evaluated(chance, one, int(chance.integers(3, 13)), 0.1)
    return changed(one, one.level * times).curve(evaluations=found)


def restarts(chance: Chance, some: Donors) -> Curve:
    """The learning rate falls to 0 to 40 % of its peak and starts again, one to three times."""
    one, times = base(chance, some), int(chance.integers(2, 5))
    at = np.arange(one.count) * times / one.count % 1.0
    return replace(one, lrs=1 - at * chance.uniform(0.6, 1.0)).curve()


def unmeasured(chance: Chance, some: Donors) -> Curve:
    """4 to 40 epochs, or a loss that ends below 0.1, without an evaluation."""
    one = base(chance, some)
    if chance.random() < 0.5:
        return one.curve(epochs=chance.uniform(4, 40))
    low = one.level * np.geomspace(1, chance.uniform(0.01, 0.08) / one.level[-1], one.count)
    return changed(one, low).curve()


def best_earlier(chance: Chance, some: Donors) -> Curve:
    """The best of 6 to 20 evaluations is before 60 % of the run; training and evaluations rise by 4 to 10 %."""
    one, turn, rise = base(chance, some, least=100), chance.uniform(0.25, 0.6), chance.uniform(0.04, 0.1)
    late = np.maximum(0, np.arange(one.count) / one.count - turn) / (1 - turn)
    level = np.minimum.accumulate(one.level) * 1.0
    level = np.where(late > 0, level[int(turn * one.count)] * (1 + rise * late), level)
    places = np.unique(np.linspace(one.count // 10, one.count - 1, int(chance.integers(6, 21))).astype(int))
    return changed(one, level).curve(evaluations={int(i): float(1.05 * level[i]) for i in places})


def ended_early(chance: Chance, some: Donors) -> Curve:
    """The trainer has ended at 20 to 90 % of the planned steps."""
    curve = base(chance, some).curve()
    return replace(curve, total_steps=int(curve.points[-1].step / chance.uniform(0.2, 0.9)), finished=False, ended=True)


def growing_norms(chance: Chance, some: Donors) -> Curve:
    curve = base(chance, some, least=60).curve()
    grown = chance.uniform(12, 100) ** (np.arange(len(curve.points)) / len(curve.points))
    return replace(curve, points=[replace(p, grad_norm=float(g)) for p, g in zip(curve.points, grown, strict=True)])


def _from(curve: Curve, first: int, **values: float) -> Curve:
    """From record ``first`` on other values."""
    late = [replace(point, **values) for point in curve.points[first:]]
    return replace(curve, points=[*curve.points[:first], *late])


TURNED = ("curve-best-earlier", "curve-overfit", "curve-diverged")

SETTINGS: list[tuple[tuple[str, ...], str, Make]] = [
    (("curve-warmup-long",), "the learning rate rises over 30 to 100 % of the run", endless_warmup),
    (("curve-nan",), "NaN losses from some record on", nan_losses),
    (("curve-nan",), "NaN gradient norms, losses hidden", nan_norms),
    (("curve-rate-zero",), "the learning rate is 0 from 20 to 80 % of the run on", lr_gone),
    (("curve-zero-loss",), "8 to 50 % of the records are 0", empty_batches),
    (("curve-start-high",), "begins at 11.5 to 20 nats", start_high),
    (("curve-loss-summed",), "training losses are sums of 4 to 32", summed),
    (("curve-rate-restarts",), "the learning rate starts again one to three times", restarts),
    (("curve-unmeasured",), "4 to 40 epochs, or below 0.1 nats, without an evaluation", unmeasured),
    (TURNED, "the best evaluation before 60 %, 4 to 10 % lower", best_earlier),
    (("curve-stopped-early",), "ended at 20 to 90 % of the planned steps", ended_early),
    (("curve-norm-growth",), "gradient norms grow 12 to 100 times", growing_norms),
]  # fmt: skip


# ---- clean twins ----


def clean(chance: Chance, some: Donors) -> Curve:
    return base(chance, some).curve()


def clean_evaluated(chance: Chance, some: Donors) -> Curve:
    one = base(chance, some)
    return one.curve(epochs=3, evaluations=evaluated(chance, one, int(chance.integers(2, 31)), chance.uniform(0, 0.5)))


def clean_long(chance: Chance, some: Donors) -> Curve:
    return base(chance, some, least=600, most=4_000).curve()


def clean_short(chance: Chance, some: Donors) -> Curve:
    return base(chance, some, least=2, most=24).curve()


def clean_warm(chance: Chance, some: Donors) -> Curve:
    """Warm-up over 2 to 12 %, gradient norms 15 to 50 times the rest within it."""
    one, share = base(chance, some), chance.uniform(0.02, 0.12)
    at = np.arange(1, one.count + 1) / one.count
    norms = one.norms * (1 + chance.uniform(15, 50) * np.exp(-at / share * 3))
    return replace(one, lrs=np.minimum(1, at / share) * (1 - at), norms=norms).curve()


def near_zero(chance: Chance, some: Donors) -> Curve:
    """Down to 0.005 to 0.08 nats, where noise is a larger share; half of these logs have two to four digits."""
    one = base(chance, some)
    level = one.level * np.geomspace(1, chance.uniform(0.005, 0.08) / one.level[-1], one.count)
    one = replace(changed(one, level), residuals=one.residuals * np.geomspace(1, 2, one.count))
    found = evaluated(chance, one, int(chance.integers(4, 12)), 0.1, gap=1.1)
    curve = one.curve(epochs=3, evaluations=found)
    digits = int(chance.choice([3, 4, 9]))
    return replace(curve, points=[replace(p, loss=round(p.loss, digits)) for p in curve.points])


def skipped_steps(chance: Chance, some: Donors) -> Curve:
    """fp16's scaler skips three to twelve steps: a NaN gradient norm, and the learning rate stays."""
    one, rest = base(chance, some, least=100), 0.0
    one = replace(one, every=1)
    bad = set(chance.choice(np.arange(3, one.count - 3), int(chance.integers(3, 13)), replace=False).tolist())
    made: list[Point] = []
    for i, point in enumerate(one.curve().points):
        rest += i not in bad
        lr = 2e-4 * (1 - rest / (one.count + 1))
        made.append(replace(point, lr=lr, grad_norm=math.nan if i in bad else point.grad_norm))
    return replace(one.curve(), points=made)


def epochs_alike(chance: Chance, some: Donors) -> Curve:
    """Three to five epochs whose order of rows leaves the same ripple of up to 6 % in each, with evaluations that
    fall."""
    count = int(chance.integers(3, 6))
    one = base(chance, some, least=20 * count)
    ripple = 1 + chance.uniform(0, 0.06) * np.sin(2 * np.pi * count * np.arange(one.count) / one.count)
    return changed(one, one.level * ripple).curve(epochs=count, evaluations=evaluated(chance, one, count, 1 / count))


def short_epochs(chance: Chance, some: Donors) -> Curve:
    """Three epochs of few records, through which the loss falls as smoothly as in the log."""
    return _smooth_epochs(chance, some, 3, int(chance.integers(3, 13)))


def epochs(chance: Chance, some: Donors) -> Curve:
    """The same of more records, and of four or five epochs with an evaluation after each, which falls."""
    count = int(chance.integers(3, 6))
    return _smooth_epochs(chance, some, count, int(chance.integers(13, 61)))


def _smooth_epochs(chance: Chance, some: Donors, count: int, each: int) -> Curve:
    one = base(chance, some, least=count * each, most=count * each)
    # Below 0.1 nats a log without evaluations is a finding of its own (curve-unmeasured), and so are four epochs.
    one = changed(one, one.level + 0.2)
    return one.curve(epochs=count, evaluations=evaluated(chance, one, count, 1 / count) if count > 3 else None)


CLEAN: dict[str, Make] = {
    "a log of 24 to 600 records": clean,
    "with 2 to 30 evaluations": clean_evaluated,
    "600 to 4,000 records": clean_long,
    "2 to 24 records": clean_short,
    "warm-up, with its gradient norms": clean_warm,
    "down to 0.005 to 0.08 nats": near_zero,
    "fp16's skipped steps": skipped_steps,
    "epochs with a ripple": epochs_alike,
    "3 epochs of 3 to 12 records": short_epochs,
    "3 to 5 epochs of 13 to 60 records": epochs,
}
