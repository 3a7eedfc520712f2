"""The table of ``docs/throughput.md`` from the results of the bench: ``python -m bench.throughput.page F [F ...]``.

Of each system: useful tokens of a second, how many times as many as TRL's and TRL's packed, both again by CPU seconds,
what part of its tokens was computed, MFU, how long the first step took, and the most memory. With several rounds,
medians, and the lowest and highest ratio.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.throughput.__main__ import Key, between, counted, figures_of, middle, ratios

HEAD = ("data", "precision", "system", "rounds, steps", "useful tokens/s", "in the loss/s", "to TRL", "to TRL packed",
        "both by CPU seconds", "computed", "MFU", "first step, s", "GB")  # fmt: skip


def read(files: Sequence[Path]) -> dict[Key, dict[str, Any]]:
    """All measurements of ``files``, by data, precision, system and round; a later file's replaces an earlier one's."""
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return {tuple(line["key"]): line["figures"] for line in lines}


def cells(found: dict[Key, dict[str, Any]], one: Key) -> list[str]:
    """The row of the table for the rounds of ``one``'s system on its data."""
    some = [figures for key, figures in found.items() if key[:3] == one[:3]]
    tokens, computed = (sum(figures.get(name) or 0 for figures in some) for name in ("tokens", "computed"))
    steps = sum(len(counted(figures)) for figures in some)
    all_rounds = figures_of(found, one)
    by_cpu = [middle(ratios(found, one, other, "cpu")) for other in ("trl", "trl-packed")]
    return [
        *one[:3],
        f"{len(some)}, {steps}",
        f"{all_rounds['useful']:.0f}",
        f"{all_rounds['in_loss']:.0f}",
        *(spread(ratios(found, one, other, "seconds")) for other in ("trl", "trl-packed")),
        ", ".join(filter(None, by_cpu)),
        f"{computed / tokens:.0%}" if tokens else "",
        f"{all_rounds['mfu']:.0%}",
        f"{all_rounds['first']:.1f}",
        f"{all_rounds['memory'] / 1e9:.1f}",
    ]


def spread(some: Sequence[float]) -> str:
    """The median of the rounds, and between which ones it is."""
    return f"{middle(some)} ({between(some)})" if len(some) > 1 and max(some) != min(some) else middle(some)


def markdown(found: dict[Key, dict[str, Any]]) -> str:
    """The table, each system of each data set once."""
    each = {key[:3]: key for key in found}.values()
    rows = [HEAD, ["---"] * 3 + ["---:"] * (len(HEAD) - 3), *(cells(found, key) for key in each)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput.page", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="F", help="results of python -m bench.throughput")
    print(markdown(read(parser.parse_args().files)))


if __name__ == "__main__":
    main()
