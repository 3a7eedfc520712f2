"""What `bench.correct` has found, as tables, a summary and docs/correct.md."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.correct.starts import SOUND, Start

COLUMNS = (
    "set-up",
    "broken start",
    "cleared",
    "looks",
    "changed",
    "trial steps",
    "s",
    "corrected",
    "best of grid",
    "random, same steps",
)
Found = Mapping[str, dict[str, Any]]
DRAWS = 400
"""Searches that are drawn from the random configurations; their mean is what one is worth."""
FEWEST = 3
"""Configurations that a pool has at least."""
NARROW = (1e-5, 1e-2)
"""Learning rates of a search by somebody who knows more."""
NEAR = 0.05
"""Nats within which a run counts as being as good as the grid's best."""


def done(found: Found, every: Sequence[Start]) -> list[tuple[Start, dict[str, Any]]]:
    return [(one, found[key]) for one in every if (key := f"start {one.setup}: {one.name}") in found]


def best(found: Found, setup: str) -> float:
    """Of the grid."""
    losses = [row["loss"] for key, row in found.items() if key.startswith(f"grid {setup} ")]
    return min((one for one in losses if one is not None), default=math.nan)


def worst(found: Found, setup: str) -> float:
    """What a run counts that gives no number: as much as the base that was not trained would hardly be worse than."""
    losses = [row.get("loss") for key, row in found.items() if key.split(" ")[1].rstrip(":") == setup]
    return max((one for one in losses if one is not None), default=math.nan)


def searched(found: Found, setup: str, steps: int, lrs: tuple[float, float] = (0.0, math.inf)) -> list[float]:
    """Losses of the configurations that random searches of ``steps`` trial steps choose: each draws until its steps are
    spent (at least once), and takes the one with the lowest held-out loss at the end of its trial."""
    every = [row for key, row in found.items() if key.startswith(f"random {setup} ")]
    pool = [row for row in every if lrs[0] <= row["changes"]["train.learning_rate"] <= lrs[1]]
    if len(pool) < FEWEST:
        return []
    dice, chosen = random.Random(0), []
    for _ in range(DRAWS):
        left, tried = steps, []
        for row in dice.sample(pool, len(pool)):
            tried.append(row)
            left -= row.get("trial_steps") or 0
            if left <= 0:
                break
        kept = min(tried, key=_at_trial)
        chosen.append(kept["loss"] if kept["loss"] is not None else worst(found, setup))
    return chosen


def _at_trial(row: dict[str, Any]) -> float:
    value = row.get("at_trial")
    return value if value is not None and math.isfinite(value) and row["loss"] is not None else math.inf


def rows(found: Found, every: Sequence[Start]) -> list[tuple[str, ...]]:
    """A line for each start that is done."""
    return [_row(found, start, row) for start, row in done(found, every)]


def _row(found: Found, start: Start, row: dict[str, Any]) -> tuple[str, ...]:
    run = row.get("run") or {}
    changed = [f"{one['key'].split('.')[-1]} {_value(one['after'])}" for each in row.get("changes", []) for one in each]
    rival = searched(found, start.setup, row.get("trial_steps", 0))
    return (
        start.setup,
        start.name,
        "yes" if row["cleared"] else "no",
        str(row["rounds"]),
        ", ".join(changed) or "–",
        str(row.get("trial_steps", 0)),
        f"{row['seconds']:.0f}",
        _number(run.get("loss")),
        _number(best(found, start.setup)),
        _number(statistics.fmean(rival) if rival else None),
    )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items() if key != "type")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def summary(found: Found, every: Sequence[Start]) -> dict[str, Any]:
    """The figures of all starts that are done."""
    table = [(start, row) for start, row in done(found, every) if start.kind != SOUND]
    cleared = [row for _, row in table if row["cleared"]]
    figures: dict[str, Any] = {
        "starts": len(table),
        "of": sum(start.kind != SOUND for start in every),
        "sound": [
            row["cleared"] and not any(row["changes"]) for start, row in done(found, every) if start.kind == SOUND
        ],
        "setups": len({start.setup for start, _ in table}),
        "cleared": len(cleared),
        "not_cleared": [f"{start.setup}: {start.name}" for start, row in table if not row["cleared"]],
        "looks": {count: sum(row["rounds"] == count for row in cleared) for count in range(1, 7)},
        "seconds": statistics.median(row["seconds"] for _, row in table) if table else 0.0,
        "trial_steps": sum(row.get("trial_steps", 0) for _, row in table),
        "branch_steps": sum(row.get("branch_steps", 0) for _, row in table),
    }
    names = list(dict.fromkeys(start.setup for start, _ in table))
    rivals = [_compared(found, start, row) for start, row in table if row["cleared"]]
    known = [
        (start, one) for (start, _), one in zip(((s, r) for s, r in table if r["cleared"]), rivals, strict=True) if one
    ]
    figures["all"] = _figures([one for _, one in known])
    figures["wrong_rate"] = _figures([one for start, one in known if start.times != 1.0])
    figures["pool"] = {name: sum(key.startswith(f"random {name} ") for key in found) for name in names}
    figures["spread"] = {name: _spread(found, name) for name in names}
    return figures


def _compared(found: Found, start: Start, row: dict[str, Any]) -> dict[str, Any] | None:
    """How far the corrected run and the searches end from the best of the grid, in nats."""
    aim, steps, loss = best(found, start.setup), row.get("trial_steps", 0), (row.get("run") or {}).get("loss")
    searches = {
        "same": searched(found, start.setup, steps),
        "more": searched(found, start.setup, steps + row.get("branch_steps", 0)),
        "narrow": searched(found, start.setup, steps, NARROW),
    }
    if not searches["same"]:
        return None
    mine = (loss if loss is not None else worst(found, start.setup)) - aim
    gaps = {name: [one - aim for one in losses] for name, losses in searches.items()}
    return {"gap": mine, **gaps, "won": statistics.fmean(mine < one for one in gaps["same"])}


def _figures(compared: list[dict[str, Any]]) -> dict[str, Any]:
    if not compared:
        return {}
    gaps = [one["gap"] for one in compared]
    figures = {
        "runs": len(gaps),
        "median": statistics.median(gaps),
        "mean": statistics.fmean(gaps),
        "worst": max(gaps),
        "near": sum(one <= NEAR for one in gaps),
        "won": statistics.fmean(one["won"] for one in compared),
    }
    for name in ("same", "more", "narrow"):
        some = [one[name] for one in compared if one[name]]
        if some:
            figures[name] = {
                "median": statistics.median(value for values in some for value in values),
                "mean": statistics.fmean(statistics.fmean(values) for values in some),
                "near": statistics.fmean(statistics.fmean(value <= NEAR for value in values) for values in some),
            }
    return figures


def _spread(found: Found, setup: str) -> float | None:
    """How far apart the sound run at the grid's best learning rate ends with other seeds."""
    losses = [row["loss"] for key, row in found.items() if key.startswith(f"seed {setup} ") and row["loss"] is not None]
    return max(*losses, best(found, setup)) - min(*losses, best(found, setup)) if losses else None


def lines(figures: dict[str, Any]) -> list[str]:
    """The summary in sentences."""
    f = figures
    rounds = ", ".join(f"{count} in {number} checks" for number, count in f["looks"].items() if count)
    said = [
        f"{f['cleared']} of {f['starts']} broken starts ({f['of']} are listed) end cleared ({rounds}); the median"
        f" correction takes {f['seconds']:.0f} s."
    ]
    if f["not_cleared"]:
        said.append(f"Not cleared: {'; '.join(f['not_cleared'])}.")
    if f["sound"]:
        said.append(
            f"{sum(f['sound'])} of {len(f['sound'])} starts in which nothing is broken are cleared as they are."
        )
    for name, which in (("all", "Corrected runs"), ("wrong_rate", "Where the learning rate was wrong, they")):
        if one := f[name]:
            said += [
                f"{which} end {one['median']:+.3f} nats from the best of the grid (median of {one['runs']}; mean"
                f" {one['mean']:+.3f}, worst {one['worst']:+.3f}); {one['near']} within {NEAR}.",
                f"Random settings with as many trial steps: {_gap(one['same'])}; with those of the comparison too:"
                f" {_gap(one['more'])}"
                + (f"; with learning rates from 1e-5 to 1e-2 alone: {_gap(one['narrow'])}" if "narrow" in one else "")
                + f". The correction is better in {one['won']:.0%} of the comparisons.",
            ]
    if spread := [f"{name} {value:.3f}" for name, value in f["spread"].items() if value is not None]:
        said.append(f"Three seeds of one sound run lie so far apart: {', '.join(spread)} nats.")
    return said


def _gap(one: dict[str, float]) -> str:
    return f"median {one['median']:+.3f}, mean {one['mean']:+.3f}, {one['near']:.0%} within {NEAR}"


def document(figures: dict[str, Any], table: Sequence[Sequence[str]], check: Mapping[str, Any], notes: str) -> str:
    """docs/correct.md."""
    pool = ", ".join(f"{name} {count}" for name, count in figures["pool"].items())
    head = "| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS)
    body = "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in table)
    settings = ", ".join(f"{key}: {value}" for key, value in check.items())
    said = "\n".join(f"* {line}" for line in lines(figures))
    return f"""# Broken starts and their correction

Written by `python -m bench.correct --results FOLDER --write`. Each start is a small run with one fault or several, on
one thread of a CPU. `sanetune check CONFIG --fix` at level trial corrects its file; then the corrected run is trained.

{said}

## How it is measured

Set-ups: the 260 thousand weights of stories260k on Alpaca rows; the embedded model of 1.1 million on its own rows; a
LoRA on it. A run has about 95 steps of 4 short rows, and the protocol is shortened likewise
(`check: {{{settings}}}`):
a trial so short cannot fail for answers that do not end.

"Corrected" is the loss per token of the trained run on 100 rows that no run and no check sees; "best of grid"
that of the best of learning rates a third of a decade apart on the sound configuration (a corrected learning rate lies
between them and may be better, and a run whose held-out share is set by the correction trains on more rows than the
sound one). "Looks" counts the last one, which changes nothing. "Trial steps" are those of all trials of the
correction; its comparison (40 steps at each of three to seven learning rates) come on top.

The random search has the same knobs: learning rate from 1e-6 to 1, warm-up, clipping, batch, max_length, evaluation,
precision. It spends as many trial steps and takes what has the lowest loss, at the end of its trial, on the rows that
the sound configuration holds out. Every configuration of a pool ({pool}) was trained to its end; what is shown is a
mean over {DRAWS} searches drawn from the pool. It draws all its knobs: where the broken start had a good
learning rate, it does not know that, so the comparison that counts is the one where the learning rate was wrong. A pool
so small says how far such searches miss, not more.

{head}
{body}

{notes.strip()}
"""
