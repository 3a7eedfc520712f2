"""Write the table of templates as docs/templates.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.figures import ROOT
from bench.templates.shapes import KINDS

if TYPE_CHECKING:
    from bench.templates.cells import Cell

SIGNS = {"right": "✓", "wrong": "✗", "refused": "refused", "unrendered": "–"}


def summary(cells: Sequence[Cell]) -> dict[str, int]:
    """Count cells: all, those that the template renders whole, right masks, alarms, findings true of the template."""
    clean = [one for one in cells if one.state != "unrendered"]
    return {
        "templates": len({one.template for one in cells}),
        "cells": len(cells),
        "clean": len(clean),
        "right": sum(one.state == "right" for one in clean),
        "alarms": sum(bool(one.alarms) for one in clean),
        "false_fails": sum(any(words.startswith("fail") for words in one.alarms.values()) for one in clean),
        "true": sum(bool(one.true) for one in clean),
    }


def write(cells: Sequence[Cell], command: str) -> None:
    """Write docs/templates.md; ``command`` made the cells."""
    n = summary(cells)
    lines = [
        "# The static gate on real chat templates",
        "",
        f"Made by `{command}`. Each cell is a template with 24 clean rows of one kind, made of real questions and"
        " answers. Its masks are compared with the texts of the rows, by code that shares nothing with the masks, and"
        " the static gate runs on it.",
        "",
        f"{n['templates']} templates, {n['cells']} cells. {n['clean']} are rendered whole by their template: masks are"
        f" right in {n['right']}, the gate alarms in {n['alarms']} (fails in {n['false_fails']}). In {n['true']} it"
        " says something that is true of the template (it drops earlier reasoning, or has the model write an empty"
        " block of thinking).",
        "",
        "✓ masks right, no alarm; ✗ masks wrong; *refused*: no row can be trained on; – the template raises, or leaves"
        " out the texts of this kind, which the gate says; a name: an alarm; (name): true of the template.",
        "",
        "| template | " + " | ".join(KINDS) + " |",
        "|---" * (len(KINDS) + 1) + "|",
    ]
    by_name: dict[str, dict[str, Cell]] = {}
    for one in cells:
        by_name.setdefault(one.template, {})[one.kind] = one
    for name, of_kind in by_name.items():
        lines.append(f"| {name} | " + " | ".join(_sign(of_kind.get(kind)) for kind in KINDS) + " |")
    (ROOT / "docs" / "templates.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _sign(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.state == "unrendered":
        return SIGNS["unrendered"]
    named = [f"`{name}`" for name in cell.alarms] + [f"(`{name}`)" for name in cell.true]
    return " ".join([SIGNS[cell.state], *named])
