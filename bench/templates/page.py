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


HEAD = """# The static gate on real chat templates

Each cell is a template with 24 clean rows of one kind, made of real questions and answers. Its masks are compared with
the texts of the rows, by code that shares nothing with the masks, and the static gate runs on it. What the gate says is
*true of the template* where transformers' own rendering bears it out: a text of the rows is left out, the prompt of
inference is no beginning of the trained text, an empty block of thinking is written.

✓ masks right, no alarm; ✗ masks wrong; *refused*: no row can be trained on; – the template raises, or leaves out the
texts of this kind, which the gate says; a name: an alarm; (name): true of the template; nothing: not measured.
"""
OWN, OTHERS = "Templates of TRL", "Templates of other packages"


def write(cells: Sequence[Cell], command: str) -> None:
    """Write the sections of docs/templates.md that ``cells`` belong to; ``command`` made them. Others stay."""
    file = ROOT / "docs" / "templates.md"
    kept = dict(part.split("\n", 1) for part in file.read_text(encoding="utf-8").split("\n## ")[1:])
    for title, own in ((OWN, True), (OTHERS, False)):
        if some := [one for one in cells if (_set(one) == "trl") == own]:
            kept[title] = _section(some, command, by_set=not own)
    parts = [f"## {title}\n{kept[title].rstrip()}\n" for title in (OWN, OTHERS) if title in kept]
    file.write_text("\n".join([HEAD, *parts]), encoding="utf-8")


def _section(cells: Sequence[Cell], command: str, by_set: bool) -> str:
    n = summary(cells)
    drifts = [one.true["template-drift"] for one in cells if one.state == "right" and "template-drift" in one.true]
    spaces = sum(words.startswith("warn") for words in drifts)
    differs = f", {len(drifts)} times that prompts of inference differ (in white space alone {spaces} times)"
    lines = [
        "",
        f"Made by `{command}`.",
        "",
        f"{n['templates']} templates, {n['cells']} cells. {n['clean']} are rendered whole by their template: masks are"
        f" right in {n['right']}, the gate alarms in {n['alarms']} (fails in {n['false_fails']}). In {n['true']} it"
        f" says something that is true of the template{differs if drifts else ''}.",
        "",
        *(_sets(cells) if by_set else []),
        "| template | " + " | ".join(KINDS) + " |",
        "|---" * (len(KINDS) + 1) + "|",
    ]
    by_name: dict[str, dict[str, Cell]] = {}
    for one in cells:
        by_name.setdefault(one.template, {})[one.kind] = one
    for name, of_kind in by_name.items():
        lines.append(f"| {name} | " + " | ".join(_sign(of_kind.get(kind)) for kind in KINDS) + " |")
    return "\n".join(lines)


def _set(cell: Cell) -> str:
    return cell.template.partition("/")[0]


def _sets(cells: Sequence[Cell]) -> list[str]:
    """A line for each set of templates."""
    lines = ["| set | templates | cells | rendered whole | masks right | alarms | true of it |", "|---" * 7 + "|"]
    for name in dict.fromkeys(map(_set, cells)):
        n = summary([one for one in cells if _set(one) == name])
        figures = (n["templates"], n["cells"], n["clean"], n["right"], n["alarms"], n["true"])
        lines.append(f"| {name} | " + " | ".join(map(str, figures)) + " |")
    return [*lines, ""]


def _sign(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.state == "unrendered":
        return SIGNS["unrendered"]
    named = [f"`{name}`" for name in cell.alarms] + [f"(`{name}`)" for name in cell.true]
    return " ".join([SIGNS[cell.state], *named])
