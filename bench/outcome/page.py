"""The tables of docs/outcome.md, which are between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.figures import ROOT

PAGE = ROOT / "docs" / "outcome.md"
BEGIN, END = "<!-- figures of bench.outcome -->", "<!-- end of figures -->"


def write(figures: dict[str, Any]) -> None:
    """Put the figures into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(figures)}\n{END}{after}", encoding="utf-8")


def tables(figures: dict[str, Any]) -> str:
    """The tables, as Markdown."""
    long, brief = (_of_part(figures[part], shown) for part, shown in (("long", "their trial"), ("brief", "a quarter")))
    public = _of_public(figures["public"])
    return f"### Public runs\n\n{public}\n\n### Long runs\n\n{long}\n\n### Brief runs\n\n{brief}\n"


def _of_public(figures: dict[str, Any]) -> str:
    parts = [
        f"{figures['runs']} runs. They fail if they end 5 % and 0.01 nats above their own lowest evaluation.",
        _table("seen of the run", figures["after"], [*LOSSES, ("by the fit to tiny models", "error_tiny", ".1%")]),
        _table("seen of the run", figures["after"], VERDICTS[:9]),
        "Those that end above 0.5 nats and at most 5 % above their own lowest evaluation:",
        _table("seen of the run", figures["steady"], LOSSES),
    ]
    return "\n\n".join(parts)


def _of_part(figures: dict[str, Any], shown: str) -> str:
    head = f"{figures['runs']} runs of {figures['set_ups']} set-ups."
    parts = [
        head,
        _table("seen of the run", figures["after"], LOSSES),
        _table("seen of the run", figures["after"], VERDICTS),
        "Runs with nothing injected that end above 0.5 nats, so that per cent mean something:",
        _table("seen of the run", figures["sound"], [*LOSSES, *VERDICTS[1:7]]),
        "Those of them that end at most 5 % above their own lowest evaluation, as a run with kept checkpoints does:",
        _table("seen of the run", figures["steady"], LOSSES),
        "How right a forecast of these runs can be, median errors:",
        _table("seen of the run", figures["bounds"], BOUNDS),
        f"After {shown}, by what the calibration had not seen, by model, and by what was injected:",
        _table("data set", figures["data"], [*LOSSES[:5], *VERDICTS[1:6]]),
        _table("model", figures["models"], [*LOSSES[:5], *VERDICTS[1:6]]),
        _table("injected", figures["faults"], [*LOSSES[:5], *VERDICTS[1:6]]),
        f"Failing runs after {shown}, by how they failed:",
        _table("in the end", figures["failures"], [VERDICTS[1], VERDICTS[2], VERDICTS[3]]),
    ]
    return "\n\n".join(parts)


LOSSES = [
    ("runs", "runs", "d"),
    ("in the interval", "covered", ".0%"),
    ("median error", "error", ".1%"),
    ("in nats", "error_nats", ".3f"),
    ("… of the last evaluation", "error_last", ".1%"),
    ("… of the law alone", "error_law", ".1%"),
    ("median width", "width", ".0%"),
]
VERDICTS = [
    ("runs", "runs", "d"),
    ("failing", "failing", "d"),
    ("will not get there", "caught", "d"),
    ("on track", "missed", "d"),
    ("good", "good", "d"),
    ("will not get there", "condemned", "d"),
    ("on track", "on_track", "d"),
    ("failing, ≥ 50 % chance", "likely_caught", "d"),
    ("good, ≥ 50 % chance", "likely_condemned", "d"),
    ("steps of failing runs saved", "saved", ".0%"),
]


BOUNDS = [
    ("runs", "runs", "d"),
    ("law true, evaluations as unsteady as they are", "noisy", ".1%"),
    ("law true, evaluations exact", "exact", ".1%"),
    ("real evaluations, law alone", "real", ".1%"),
    ("shape known from the whole run", "shape_known", ".1%"),
]


def _table(first: str, rows: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str, str]]) -> str:
    lines = [" | ".join([first, *(title for title, _, _ in columns)]), "|".join(["---"] + ["---:"] * len(columns))]
    for row in rows:
        cells = ["–" if row[key] is None else format(row[key], way).replace("%", " %") for _, key, way in columns]
        lines.append(" | ".join([row["name"], *cells]))
    return "\n".join(f"| {line} |" if "---" not in line else f"|{line}|" for line in lines)
