"""What each level of `sanetune check` costs: seconds on two models, by part, and the check's share of the run.

The run that the share is of is the one that the configuration describes, forecast from the trial's own steps: a small
model's run on a few hundred rows is short, so that the share is large there; that of a real run is in the tests.
With ``--large`` a third of SmolLM2-135M's shape comes on top, which takes a CPU an hour.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figures import ROOT, options, shared, show

COLUMNS = ("model", "level", "seconds", "found", "longest parts", "run forecast", "share of it")
LEVELS = ("static", "probe", "trial")
QUICK = {"overfit_examples": 8, "overfit_steps": 20, "trial_steps": 20, "trial_eval_steps": 10, "samples": 4}
"""The protocol, shortened."""
SHOWN = 4
"""Parts of a check that the table names."""


def subjects(quick: bool, large: bool, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, configuration) of each model."""
    from tests import real

    demo = ROOT / "sanetune/demo"
    rows = {"max_examples": 120} if quick else {}
    yield (
        "embedded model",
        {
            "model": {"name": str(demo / "model")},
            "data": {"train": str(demo / "data/train.jsonl"), **rows},
            "train": {"use_cpu": True},
            "run": {"output_dir": str(folder / "run-embedded"), "trackers": []},
        },
    )
    if quick:
        return
    where = shared()
    data = {"train": real.STORIES["alpaca"]}
    stories = where / "models/stories260k"
    out = folder / "run-stories"
    yield "stories260k, alpaca", real.config(where, stories, data, out, {}, chat_template="chatml")
    if not large:
        return
    model = real.smollm2(where, folder / "smollm2")
    data = {"train": real.STORIES["alpaca"], "max_examples": 400}
    yield "SmolLM2-135M shape", real.config(where, model, data, folder / "run-smollm2", {"max_length": 512})


def measure(settings: dict[str, Any], level: str, section: dict[str, Any]) -> dict[str, Any]:
    """One check without a cache: its seconds, those of each part, and what the forecast says."""
    from sanetune import api

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SANETUNE_CACHE"] = cache
        report = api.check({**settings, "check": section}, level=level)
    figures: dict[str, Any] = {
        "seconds": time.perf_counter() - began,
        "verdict": report.verdict.value,
        "evidence_seconds": dict(report.evidence_seconds),
        "check_seconds": {one.check: one.seconds for one in report.findings if one.seconds > 0.05},
        "crashed": [one.check for one in report.findings if one.verdict.value == "crash"],
        "bad": [one.check for one in report.findings if one.verdict.value in ("warn", "fail")],
    }
    if forecast := (getattr(report, "proof", None) or {}).get("forecast"):
        figures["forecast"] = forecast
        figures["run_seconds"] = 3600 * forecast["hours"]["middle"]
        figures["share"] = figures["seconds"] / figures["run_seconds"]
    return figures


def row(name: str, level: str, one: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table."""
    from sanetune import units

    parts = one["evidence_seconds"] | one["check_seconds"]
    longest = sorted(parts, key=lambda part: -parts[part])[:SHOWN]
    found = ", ".join(one["crashed"] + one["bad"]) or "-"
    whole, share = "-", "-"
    if "share" in one:
        whole, share = units.seconds(one["run_seconds"]), units.share(one["share"])
    words = ", ".join(f"{part} {units.seconds(parts[part])}" for part in longest)
    return name, level, f"{one['seconds']:.1f}", found, words, whole, share


def main() -> None:
    args = options(__doc__, large="also a model of 135 million weights")
    began = time.perf_counter()
    import sanetune.engine.trl.engine  # noqa: F401 -- torch, transformers and TRL are imported once, and not counted

    table: list[tuple[str, ...]] = []
    figures: dict[str, Any] = {"imports": time.perf_counter() - began}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in subjects(args.quick, args.large, Path(folder)):
            for level in LEVELS:
                one = measure(settings, level, QUICK if args.quick else {})
                figures[f"{name}, {level}"] = one
                table.append(row(name, level, one))
    show("What each level of the check costs", COLUMNS, table, figures, args.json)


if __name__ == "__main__":
    main()
