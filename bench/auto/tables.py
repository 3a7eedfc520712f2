"""What `bench.auto` shows: a row for each start, the shares, and docs/auto.md's table."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.auto.starts import AutoStart

Found = Mapping[str, Mapping[str, Any]]
COLUMNS = ("set-up", "start", "kind", "outcome", "truth", "loss", "best known", "base", "CPU s", "times the best run")


def key_of(start: AutoStart) -> str:
    return f"start {start.key}"


def best(found: Found, setup: str) -> Mapping[str, Any] | None:
    """The run of the grid with the lowest loss on the test rows."""
    runs = [row for key, row in found.items() if key.startswith(f"grid {setup} ") and row["loss"] == row["loss"]]
    return min(runs, key=lambda row: row["loss"], default=None)


def rows(found: Found, starts: Sequence[AutoStart]) -> list[tuple[str, ...]]:
    return [_row(found, start, found[key_of(start)]) for start in starts if key_of(start) in found]


def _row(found: Found, start: AutoStart, row: Mapping[str, Any]) -> tuple[str, ...]:
    aim = best(found, start.setup)
    return (
        start.setup,
        start.name,
        start.kind,
        row["outcome"],
        row.get("truth", "–"),
        _number(row.get("loss")),
        _number(None if aim is None else aim["loss"]),
        _number(row.get("base", None if aim is None else aim["base"])),
        f"{row['cpu']:.0f}",
        "–" if aim is None else f"{row['cpu'] / aim['cpu']:.1f}",
    )


def _number(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.3f}"


def summary(found: Found, starts: Sequence[AutoStart]) -> dict[str, Any]:
    """The shares that the issue asks for."""
    done = [(start, found[key_of(start)]) for start in starts if key_of(start) in found]
    can = [(start, row) for start, row in done if start.kind != "hopeless"]
    promoted = [(start, row) for start, row in done if row["outcome"] == "promoted"]
    right = [(start, row) for start, row in promoted if row["truth"] == "better"]
    aims = {start.setup: best(found, start.setup) for start, _ in done}
    known = {name: aim for name, aim in aims.items() if aim is not None}
    repaired = [(known[start.setup], row) for start, row in right if start.kind != "hopeless" and start.setup in known]
    gaps = [row["loss"] - aim["loss"] for aim, row in repaired]
    times = [row["cpu"] / known[start.setup]["cpu"] for start, row in can if start.setup in known]
    over = [start.key for start, row in done if row.get("limit") and row["seconds"] > row["limit"]]
    return {
        "starts": len(done),
        "listed": len(starts),
        "repairable": len(can),
        "promoted": len(promoted),
        "promoted_and_better": len(right),
        "promoted_and_better_of_repairable": sum(start.kind != "hopeless" for start, _ in right),
        "wrongly_promoted": [start.key for start, row in promoted if row["truth"] != "better"],
        "gave_up": [start.key for start, row in can if row["outcome"] != "promoted"],
        "hopeless": {start.name: [row["outcome"], row.get("truth")] for start, row in done if start.kind == "hopeless"},
        "over_budget": over,
        "median_gap": statistics.median(gaps) if gaps else None,
        "largest_gap": max(gaps, default=None),
        "median_times": statistics.median(times) if times else None,
        "median_cpu_seconds": statistics.median(row["cpu"] for _, row in done) if done else None,
    }


def lines(figures: Mapping[str, Any]) -> list[str]:
    """The summary in sentences."""
    f = figures
    if not f["starts"]:
        return ["No start was run."]
    can, good = f["repairable"], f["promoted_and_better_of_repairable"]
    said = [
        f"{f['starts']} of {f['listed']} starts were run; in {can} of them nothing is broken, or all can be repaired.",
        f"{good} of these {can} ({good / max(1, can):.0%}) end with a promoted model that is better than its base on"
        " the test rows.",
        f"Wrongly promoted: {len(f['wrongly_promoted'])} of {f['promoted']} promoted"
        + (f" ({'; '.join(f['wrongly_promoted'])})" if f["wrongly_promoted"] else "")
        + ".",
        f"Without a promoted model although one can be had: {len(f['gave_up'])} of {can}"
        f" ({len(f['gave_up']) / max(1, can):.0%}){': ' if f['gave_up'] else ''}{'; '.join(f['gave_up'])}.",
        f"Beyond the budget: {len(f['over_budget'])}.",
    ]
    if f["median_gap"] is not None:
        said.append(
            f"Promoted models end {f['median_gap']:+.3f} nats per token from the best known run (median; farthest"
            f" {f['largest_gap']:+.3f}); the autopilot takes {f['median_times']:.1f} times the processor time of that"
            f" run alone (median), {f['median_cpu_seconds']:.0f} s."
        )
    if f["hopeless"]:
        said.append(
            "Data that cannot be repaired: "
            + "; ".join(f"{name}: {how}, truth: {truth or 'no model'}" for name, (how, truth) in f["hopeless"].items())
            + "."
        )
    return said


def markdown(figures: Mapping[str, Any], table: Sequence[Sequence[str]]) -> str:
    """The section of docs/auto.md between its marks."""
    said = "\n".join(f"* {line}" for line in lines(figures))
    head = "| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS)
    body = "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in table)
    return f"{said}\n\n{head}\n{body}"
