"""A sweep over learning rates beside Optuna's samplers, at the same number of trial steps.

For each set-up, trials of `sanetune sweep` are made once on a grid of learning rates, and the critical learning rate is
measured. Searches are then played on that table, with the loss between two learning rates of the grid interpolated:
ours, and Optuna's RandomSampler and TPESampler with many seeds. The probe of the critical learning rate is paid for out
of the budget, in steps. Validation rows choose; the loss that is compared is that of other rows.
"""

from __future__ import annotations

import argparse
import bisect
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import ROOT, shared, show

STEPS = 30
"""Optimizer steps of a trial."""
ROWS = 200
LOW, FINE, HIGH = -6, -4, -1
"""Learning rates that may be tried: from 10^LOW to 10^HIGH. The grid has three in a decade from 10^FINE on, one below,
where the loss hardly changes."""
BUDGETS = (4, 6, 8, 12)
"""Trials of STEPS steps that a search may cost."""
SEEDS = 200
QUICK = 2
COLUMNS = ("set-up", "of", "critical", "best", "best / critical", "probe, steps", "default")


@dataclass(frozen=True, slots=True)
class Setup:
    """A configuration whose learning rate is searched; ``part``: whether the prior was set on it."""

    name: str
    part: str
    model: dict[str, Any]
    data: str
    batch: int

    def settings(self, folder: Path) -> dict[str, Any]:
        """The configuration, for a run in ``folder``."""
        train = {"per_device_train_batch_size": self.batch, "gradient_accumulation_steps": 1, "warmup_steps": 0.1}
        return {
            "model": self.model,
            "data": {"train": str(folder / f"{self.data}.jsonl"), "holdout": 0.25, "workers": 1},
            "train": {"use_cpu": True, "max_steps": STEPS, **train},
            "run": {"trackers": [], "output_dir": str(folder / "run")},
        }


def setups() -> list[Setup]:
    """All set-ups: two models, three data sets, full and LoRA, two batch sizes."""
    demo = {"name": str(ROOT / "sanetune/demo/model")}
    stories = {"name": str(shared() / "models/stories260k"), "chat_template": "chatml"}
    marks = ["<|im_end|>", "<|im_start|>"]
    found = []
    for number, (name, model, data, batch) in enumerate(
        (
            ("demo", demo, "demo", 4),
            ("stories, alpaca", stories, "alpaca", 4),
            ("demo, alpaca", demo, "alpaca", 4),
            ("stories, gsm8k", stories, "gsm8k", 8),
        )
    ):
        for method in ("full", "lora") if number % 2 == 0 else ("lora", "full"):
            adapter = {"adapter": {"type": "lora", "r": 8 if number % 2 else 16, "alpha": 32, "tokens": marks}}
            section = {**model, **(adapter if method == "lora" else {})}
            found.append(Setup(f"{name}, {method}", "set" if number < 2 else "tested", section, data, batch))
    return found[::2] + found[1::2]  # a part of them is a fair one, too


def write_rows(folder: Path) -> None:
    """The rows of each data set, short ones, as files."""
    data = shared() / "data"
    alpaca = json.loads((data / "alpaca/instruction-data.json").read_text())
    gsm8k = [json.loads(line) for line in (data / "gsm8k/train.jsonl").read_text().splitlines()]
    demo = [json.loads(line) for line in (ROOT / "sanetune/demo/data/train.jsonl").read_text().splitlines()]
    for name, rows, most in (("alpaca", alpaca, 180), ("gsm8k", gsm8k, 260), ("demo", demo, 420)):
        short = [row for row in rows if len(json.dumps(row, ensure_ascii=False)) <= most][:ROWS]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in short)
        (folder / f"{name}.jsonl").write_text(text)


def measured(setup: Setup, folder: Path, points: int | None, *, only_read: bool = False) -> dict[str, Any] | None:
    """The table of a set-up; what was made before is read. None: it is not complete, and nothing is to be made."""
    from sanetune.config.load import load
    from sanetune.data.prepare import prepare
    from sanetune.workflows.sweep.store import TrialStore
    from sanetune.workflows.sweep.trial import Bench

    config = load(setup.settings(folder))
    bench = Bench(config, prepare(config), STEPS)
    place = folder / setup.name.replace(", ", "-").replace(" ", "-")
    store = TrialStore(place)
    probe = place / "critical.json"
    if only_read and not probe.is_file():
        return None
    if not probe.is_file():
        began = time.process_time()
        critical, steps = bench.critical({})
        figures = {"critical": critical, "steps": steps, "cpu_seconds": time.process_time() - began}
        probe.write_text(json.dumps(figures))
    table = []
    lrs = grid()
    for lr in lrs[:: max(1, len(lrs) // points)] if points else lrs:
        planned = bench.planned({"train.learning_rate": lr})
        trial = store.get(planned.key)
        if trial is None and only_read:
            return None
        if trial is None:
            trial = bench.run(planned)
            store.add(trial)
        chosen, judged = halves(trial.evaluation)
        fine = trial.comparable
        row = {"lr": lr, "steps": trial.steps, "chosen": chosen if fine else math.inf}
        table.append(row | {"judged": judged if fine else math.inf, "cpu": trial.seconds})
    default = bench.planned({}).plan.steps.learning_rate
    return {"name": setup.name, "part": setup.part, "default": default, **json.loads(probe.read_text()), "table": table}


def halves(evaluation: Any) -> tuple[float, float]:
    """Loss per token of the even and of the odd validation rows."""
    sums, tokens = evaluation.sums, evaluation.tokens
    return sum(sums[::2]) / sum(tokens[::2]), sum(sums[1::2]) / sum(tokens[1::2])


def grid() -> list[float]:
    """The learning rates of a table."""
    powers = [float(power) for power in range(LOW, FINE)]
    powers += [FINE + step / 3 for step in range(3 * (HIGH - FINE) + 1)]
    return [float(f"{10**power:.3g}") for power in powers]


class Table:
    """The losses of one set-up at any learning rate of the range."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found, self.rows = found, found["table"]
        self.best = min(row["judged"] for row in self.rows)
        self.worst = max(row["judged"] for row in self.rows if math.isfinite(row["judged"]))

    def at(self, lr: float) -> tuple[float, float, int]:
        """Loss that chooses, loss that is judged, and steps of a trial at ``lr``."""
        powers = [math.log10(row["lr"]) for row in self.rows]
        power = min(max(math.log10(lr), powers[0]), powers[-1])
        low = min(bisect.bisect_right(powers, power), len(powers) - 1) - 1
        share = (power - powers[low]) / (powers[low + 1] - powers[low])
        one, other = self.rows[low], self.rows[low + 1]
        near = one if share < 0.5 else other
        if not (math.isfinite(one["chosen"]) and math.isfinite(other["chosen"])):
            return near["chosen"], near["judged"], near["steps"]
        return (
            one["chosen"] * (1 - share) + other["chosen"] * share,
            one["judged"] * (1 - share) + other["judged"] * share,
            near["steps"],
        )


def play(table: Table, budget: float, propose: Callable[[dict[float, float]], float | None]) -> float:
    """The judged loss of the learning rate that a search ends with; ``budget``: steps that it may make."""
    seen: dict[float, float] = {}
    judged: dict[float, float] = {}
    while (lr := propose(seen)) is not None:
        chosen, after, steps = table.at(lr)
        if steps > budget + 1e-9:
            break
        budget -= steps
        seen[lr], judged[lr] = chosen, after
    if not seen:
        return table.worst
    best = min(seen, key=lambda one: seen[one])
    return judged[best] if math.isfinite(judged[best]) else table.worst


def ours(table: Table, budget: float) -> float:
    """Our search, the probe paid for."""
    from sanetune.workflows.sweep.lr_prior import next_lr, prior_of

    found = table.found
    if found["critical"] is None:
        return table.worst
    prior = prior_of(found["critical"], found["name"].endswith("lora"), 10**LOW, 10**HIGH)
    return play(table, budget - found["steps"], lambda seen: next_lr(prior, seen))


def optuna_search(table: Table, budget: float, kind: str, seed: int) -> float:
    """One search with a sampler of Optuna's."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make = optuna.samplers.RandomSampler if kind == "random" else optuna.samplers.TPESampler
    study = optuna.create_study(sampler=make(seed=seed))
    last: list[Any] = []

    def propose(seen: dict[float, float]) -> float:
        if last:
            value = seen[last[0].params["lr"]]
            # An exploded trial is told as failed to neither sampler: as the worst loss both can use it.
            study.tell(last.pop(), value if math.isfinite(value) else table.worst)
        last.append(study.ask())
        return float(last[0].suggest_float("lr", 10**LOW, 10**HIGH, log=True))

    return play(table, budget, propose)


def regrets(tables: list[Table], budget: int, seeds: int) -> dict[str, Any]:
    """How far each search ends above the best of the table, in nats: ours, and Optuna's over all seeds."""
    steps = budget * STEPS
    mine = [ours(table, steps) - table.best for table in tables]
    found: dict[str, Any] = {"budget": budget, "steps": steps, "ours": summary(mine)}
    for kind, count in (("random", seeds), ("tpe", max(2, seeds // 5))):
        theirs = [[optuna_search(table, steps, kind, seed) - table.best for seed in range(count)] for table in tables]
        flat = [one for some in theirs for one in some]
        beaten = [sum(m > one + 1e-12 for one in some) / len(some) for m, some in zip(mine, theirs, strict=True)]
        found[kind] = summary(flat) | {"searches": len(flat), "better_than_ours": sum(beaten) / len(beaten)}
    return found


def summary(values: list[float]) -> dict[str, float]:
    """Mean, median and largest, rounded."""
    found = {"mean": statistics.mean(values), "median": statistics.median(values), "largest": max(values)}
    return {name: round(value, 4) for name, value in found.items()}


def needed(tables: list[Table], seeds: int) -> int | None:
    """Random trials, about, that end as low in the mean as ours does with the smallest budget; None: over 64."""
    goal = statistics.mean(ours(table, BUDGETS[0] * STEPS) - table.best for table in tables)
    for budget in (*BUDGETS, 16, 24, 32, 48, 64):
        found = [optuna_search(t, budget * STEPS, "random", s) - t.best for t in tables for s in range(seeds)]
        if statistics.mean(found) <= goal:
            return budget
    return None


def row(found: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table of set-ups."""
    best = min(found["table"], key=lambda one: one["judged"])
    critical = found["critical"]
    share = "-" if critical is None else f"{best['lr'] / critical:.3f}"
    figures = ("-" if critical is None else f"{critical:.2e}", f"{best['lr']:.2e}", share, f"{found['steps']:.1f}")
    return found["name"], found["part"], *figures, f"{found['default']:.1e}"


def compared(tables: list[Table], seeds: int) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    """Figures and a line for each budget."""
    for budget in BUDGETS:
        found = regrets(tables, budget, seeds)
        cells = [f"{found[kind]['mean']:.3f}, {found[kind]['median']:.3f}" for kind in ("ours", "random", "tpe")]
        better = [f"{found[kind]['better_than_ours']:.0%}" for kind in ("random", "tpe")]
        yield found, (str(budget), str(found["steps"]), *cells, *better)


def main() -> None:
    args = _options()
    os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="sweep-") as name:
        folder = args.results or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["SANETUNE_CACHE"] = str(folder / "cache")
        write_rows(folder)
        every = setups()[:QUICK] if args.quick else setups()
        found = []
        for setup in every:
            one = measured(setup, folder, 7 if args.quick else None, only_read=args.tables)
            if one is not None:
                found.append(one)
                print(*row(one), sep="  ", file=sys.stderr, flush=True)
    figures: dict[str, Any] = {"setups": found}
    show("Set-ups", COLUMNS, [row(one) for one in found], figures, None)
    for part in ("set", "tested"):
        tables = [Table(one) for one in found if one["part"] == part]
        if tables:
            lines = list(compared(tables, 20 if args.quick else SEEDS))
            figures[part] = {"budgets": [one for one, _ in lines]}
            if not args.quick:
                figures[part]["random_trials_for_the_same"] = needed(tables, SEEDS // 4)
            titles = ("trials", "steps", "ours", "random", "TPE", "random better", "TPE better")
            title = f"Nats above the best of the table: mean, median (set-ups the prior was {part} on)"
            show(title, titles, [line for _, line in lines], figures, args.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep results here, and go on from them")
    parser.add_argument("--json", type=Path, metavar="F", help="write the figures to F")
    parser.add_argument("--tables", action="store_true", help="make nothing, and show the set-ups that are complete")
    parser.add_argument("--quick", action="store_true", help="two set-ups and a coarse grid")
    return parser.parse_args()


if __name__ == "__main__":
    main()
