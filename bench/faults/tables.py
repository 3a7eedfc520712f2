"""The figures of a run as rows, as a summary, and as docs/faults.md.

The page has two parts, of the static level and of the deeper ones; a part of which nothing was run stays as it is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.faults.recipes import UNPLANTED

Figures = dict[str, Any]

COLUMNS = ("fault", "expected", "set-ups", "caught", "named", "what else spoke", "TRL alone")
DEEP = "## On the real model: probes and trials"
"""Where the second part begins."""


def fault_rows(faults: Sequence[Figures]) -> list[tuple[str, ...]]:
    """A row per fault."""
    return [
        (
            fault["fault"],
            fault["expected"],
            str(len(fault["cases"])),
            str(sum(case["caught"] for case in fault["cases"])),
            str(sum(case["named"] for case in fault["cases"])),
            ", ".join(sorted({name for case in fault["cases"] for name in _else(fault, case)})) or "–",
            fault["trl"]["does"],
        )
        for fault in faults
    ]


def summary(figures: Figures) -> Figures:
    """The counts, in numbers and in lines."""
    cases = [(fault, case) for fault in figures["faults"] for case in fault["cases"]]
    caught = sum(case["caught"] for _, case in cases)
    named = sum(case["named"] for _, case in cases)
    whole = sum(all(case["caught"] for case in fault["cases"]) for fault in figures["faults"])
    missed = [f"{fault['fault']} on {case['on']}" for fault, case in cases if not case["caught"]]
    runs = figures["clean"]
    alarms = [run["run"] for run in runs if run["broken"] or run["unusable"] or _spoke(run, "fail", "crash")]
    warned = [run["run"] for run in runs if _spoke(run, "warn")]
    rivals = Counter(fault["trl"]["does"] for fault in figures["faults"])
    lines = [
        f"Faults caught: {whole} of {len(figures['faults'])} kinds, {caught} of {len(cases)} injected.",
        f"Cause named: {named} of {len(cases)} ({named / max(1, len(cases)):.1%}).",
        *(
            [f"False alarms: {len(alarms)} of {len(runs)} clean runs fail, {len(warned)} have a warning."]
            if runs
            else []
        ),
        *(
            ["TRL alone: " + ", ".join(f"{count} {does}" for does, count in rivals.most_common()) + "."]
            if any(rivals)
            else []
        ),
        f"{figures['seconds']:,.0f} seconds of one processor.",
        *([f"{figures['missing']} cases have not run."] if figures.get("missing") else []),
    ]
    counts = {"injected": len(cases), "caught": caught, "named": named, "kinds": len(figures["faults"])}
    lists = {"missed": missed, "alarms": alarms, "warned": warned, "trl": dict(rivals), "lines": lines}
    return counts | {"clean": len(runs), **lists}


def write(figures: Sequence[Figures], file: Path) -> None:
    """Puts the parts of docs/faults.md that ``figures`` are of into ``file``."""
    before = file.read_text() if file.is_file() else ""
    static, _, rest = before.partition(DEEP)
    deep = DEEP + rest if rest else ""
    for one in figures:
        if one["level"] == "static" and (one["faults"] or one["clean"]):
            static = document(one) + "\n"
    some = [one for one in figures if one["level"] != "static" and (one["faults"] or one["clean"])]
    if some:
        deep = deep_document(some)
    file.write_text(static + deep)


def write_json(figures: Sequence[Figures], file: Path) -> None:
    """All figures as one file."""
    file.write_text(json.dumps(list(figures), indent=2, ensure_ascii=False) + "\n")


def document(figures: Figures) -> str:
    """The part of docs/faults.md about the static level."""
    import trl

    total = figures["summary"]
    lines = [
        "# Injected faults, and what is made of them",
        "",
        f"Made by `python -m bench.faults --write` with TRL {trl.__version__}. A recipe takes a clean",
        "set-up (a model, its tokenizer and template, real rows) and breaks one thing; the same set-ups unbroken, and",
        "variations of them, are the clean runs. First the level static, where nothing is trained; then, from",
        f"[{DEEP.lstrip('# ')}](#on-the-real-model-probes-and-trials) on, the levels probe and trial.",
        "",
        *(f"* {line}" for line in total["lines"]),
        "",
        "*Caught*: the expected check failed or warned, or sanetune refused the configuration with an error that",
        "names the key. *Named*: caught, and no check spoke that is not about the same fault. *What else spoke*:",
        "other checks that did, those of the same fault in italics. *TRL alone*: the fault in SFTTrainer without",
        "sanetune, on the first of its set-ups, for two steps; it *warns* when it says anything that the clean twin",
        "does not make it say, about the fault or not (deprecations do not count; the words stand below).",
        "",
        "The set-ups are our own and so are the recipes: this table shows that each check sees its fault, not how",
        f"many of all faults in the world are seen. With no alarm in {total['clean']} clean runs, the 95 % bound on",
        f"the share of false alarms would be {3 / max(1, total['clean']):.1%}.",
        "",
        *_table(figures, len(COLUMNS)),
        "",
        "### What each fault is",
        "",
        *(f"* **{fault['fault']}**: {fault['what']} {_heard(fault)}".rstrip() for fault in figures["faults"]),
        "",
        "### Clean runs",
        "",
        *_clean_lines(figures["clean"]),
        "",
    ]
    return "\n".join(lines)


def deep_document(levels: Sequence[Figures]) -> str:
    """The part of docs/faults.md about the deeper levels."""
    runs = [run for one in levels for run in one["clean"]]
    loud = [run["run"] for run in runs if run["broken"] or run["unusable"] or run["spoke"]]
    lines = [
        DEEP,
        "",
        "The set-ups are five models: the embedded one, stories260k with ChatML, and a Qwen3, a Gemma 3 and a GPT-2 of",
        "two layers that began with random weights and were taught for 700 steps on rows that no set-up has. They are",
        "trained whole or with LoRA, on padded rows or packs, of the demo, alpaca, sharegpt or gsm8k data: 170 rows",
        "and about 110 steps (stories260k and GPT-2: 310 and 200), 12 examples to memorise and 12 samples",
        "instead of 20 and 16, else the protocol as it is. Faults of the engine are patches that stay while it runs.",
        "",
        "*Named* allows what a fault does to the run beside its cause: a far too high learning rate may also diverge,",
        "and its answers may stammer. Which checks are of the same fault stands with each recipe. That the run will",
        "not get where it should (curve-falls-short) says what follows and not why, and is of every fault.",
        "",
    ]
    for one in levels:
        lines += [f"Level {one['level']}:", "", *(f"* {line}" for line in one["summary"]["lines"]), ""]
    if runs:
        bound = "" if loud else f" With none in {len(runs)}, the 95 % bound on their share is {3 / len(runs):.1%}."
        lines += [f"A warning or failure in {len(loud)} of {len(runs)} clean trials.{bound}", ""]
    for one in levels:
        if one["faults"]:
            lines += [f"### Level {one['level']}", "", *_table(one, len(COLUMNS) - 1), ""]
    lines += ["### What each fault of the real model is", ""]
    lines += [f"* **{fault['fault']}**: {fault['what']}" for one in levels for fault in one["faults"]]
    misses = [
        f"* {fault['fault']} on {case['on']}: {case['broken'] or case['unusable'] or 'nothing of it was seen'}"
        for one in levels
        for fault in one["faults"]
        for case in fault["cases"]
        if not case["caught"]
    ]
    if misses:
        lines += ["", "### Missed", "", *misses]
    lines += ["", "### Not injected", "", *(f"* **{check}**: {reason}" for check, reason in UNPLANTED.items())]
    if runs:
        lines += ["", "### Clean trials", "", *_clean_lines(runs)]
    return "\n".join([*lines, ""])


def _table(figures: Figures, columns: int) -> list[str]:
    return [
        "| " + " | ".join(COLUMNS[:columns]) + " |",
        "|---" * columns + "|",
        *("| " + " | ".join(_marked(row, fault)[:columns]) + " |" for row, fault in _pairs(figures)),
    ]


def _pairs(figures: Figures) -> list[tuple[tuple[str, ...], Figures]]:
    return list(zip(fault_rows(figures["faults"]), figures["faults"], strict=True))


def _marked(row: tuple[str, ...], fault: Figures) -> list[str]:
    names = [f"*{name}*" if name in fault["related"] else name for name in row[5].split(", ")]
    return [*row[:5], ", ".join(names), row[6]]


def _heard(fault: Figures) -> str:
    words = fault["trl"]["words"].replace("|", "\\|").replace("<", "&lt;")
    does = fault["trl"]["does"]
    return f"TRL {does}: “{words[:160]}”" if words and does in ("raises", "warns") else ""


def _clean_lines(runs: Sequence[Figures]) -> list[str]:
    lines = [f"{len(runs)} runs; {sum(not run['spoke'] for run in runs)} of them without a word."]
    for run in runs:
        if run["broken"] or run["unusable"]:
            lines.append(f"* {run['run']}: {run['broken'] or run['unusable']}")
        lines += [f"* {run['run']}: {check} {one['verdict']}s: {one['what']}" for check, one in run["spoke"].items()]
    return [*lines, "", "They are: " + "; ".join(run["run"] for run in runs) + "."]


def _else(fault: Figures, case: Figures) -> set[str]:
    broken = {"the case broke: " + case["broken"].splitlines()[-1][:80]} if case["broken"] else set()
    return set(case["spoke"]) - {fault["expected"]} | broken


def _spoke(run: Figures, *verdicts: str) -> bool:
    return any(one["verdict"] in verdicts for one in run["spoke"].values())
