"""The bench fails where systems do not train alike, and takes ratios within a round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.throughput.__main__ import compare_losses, table
from bench.throughput.page import markdown, read
from bench.throughput.worker import check


def figures(seconds: float, losses: tuple[float, ...] = (1.0, 0.9)) -> dict[str, Any]:
    tokens = {"useful": 50, "in_loss": 25}
    steps = [
        tokens | {"seconds": seconds, "cpu": 2 * seconds, "system": 0.0, "loss": loss, "norm": 1.0} for loss in losses
    ]
    return {"steps": steps, "first": steps[0], "useful": 100, "in_loss": 50, "flops": 1e9, "matmul": 1e9, "memory": 1e9,
            "load": 0.0}  # fmt: skip


def test_ratios_are_taken_within_a_round() -> None:
    """The second round ran on a machine half as fast."""
    found = {
        ("alpaca", "fp32", system, number): figures(seconds * slower)
        for number, slower in enumerate((1, 2))
        for system, seconds in (("trl", 4.0), ("trl-packed", 2.0), ("documents", 1.0))
    }
    _, written = table(found)
    ours = written["alpaca, fp32, documents"]
    assert ours["times_trl"] == [4.0, 4.0]
    assert ours["times_packed"] == [2.0, 2.0]
    assert ours["useful"] == pytest.approx((50 + 25) / 2)
    assert ours["mfu"] == pytest.approx((0.5 + 0.25) / 2)


def test_another_loss_on_equal_batches_ends_the_bench() -> None:
    found = {("alpaca", "fp32", "trl", 0): figures(1.0), ("alpaca", "fp32", "documents", 0): figures(1.0, (1.0, 0.902))}
    with pytest.raises(AssertionError, match="documents: losses differ"):
        compare_losses(found)
    found["alpaca", "fp32", "documents", 0] = figures(1.0, (1.0, 0.9001))
    compare_losses(found)


@pytest.mark.parametrize(("norm", "moved"), [(0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_a_run_that_did_not_train_ends_the_bench(norm: float, moved: float) -> None:
    some = figures(1.0)
    some["steps"][-1]["norm"] = norm
    with pytest.raises(AssertionError):
        check(some, figures(1.0), moved)


def test_the_table_of_the_docs_has_ratios_by_the_clock_and_by_cpu_seconds_and_the_newest_measurement(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    ours = {"tokens": 100, "computed": 60}
    measured = (("trl", 4.0, {}), ("trl-packed", 3.0, {}), ("engine", 9.0, ours)), (("engine", 1.0, ours),)
    for file, some in zip((old, new), measured, strict=True):
        lines = [
            {"key": ["alpaca", "fp32", name, 0], "figures": figures(seconds) | more} for name, seconds, more in some
        ]
        file.write_text("\n".join(map(json.dumps, lines)))
    rows = markdown(read([old, new])).splitlines()
    assert rows[2].startswith("| alpaca | fp32 | trl | 1, 1 | 12 | 6 | 1.00 | 0.75 | 1.00, 0.75 |  |")
    assert rows[4] == "| alpaca | fp32 | engine | 1, 1 | 50 | 25 | 4.00 | 3.00 | 4.00, 3.00 | 60% | 50% | 1.0 | 1.0 |"
    assert len(rows) == 5


def test_several_rounds_are_a_median_between_the_lowest_and_the_highest_ratio(tmp_path: Path) -> None:
    file = tmp_path / "results"
    seconds = {("trl", 0): 4.0, ("engine", 0): 1.0, ("trl", 1): 6.0, ("engine", 1): 2.0}
    lines = [{"key": ["alpaca", "fp32", *key], "figures": figures(value)} for key, value in seconds.items()]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert "| engine | 2, 2 | 38 | 19 | 3.50 (3.00 to 4.00) |" in markdown(read([file]))
