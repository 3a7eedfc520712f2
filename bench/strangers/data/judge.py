"""What the static gate says about one case, and what of it is not right."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.strangers.data.case import Case

FAMILIES = ("rows", "labels", "template", "tokens", "batches", "packs")
"""Families of checks that judge data."""

TRUE_OF = {"qwen3": ("template-empty-thinking",)}
"""Family -> checks whose finding is true of its template on rows without reasoning, and no false alarm."""


@dataclass(frozen=True)
class Outcome:
    """``spoke``: check -> (verdict, message); ``wrong``: what is not right, in words."""

    spoke: dict[str, tuple[str, str]]
    wrong: list[str]


def judged(case: Case, models: Path) -> Outcome:
    """Prepare and check the case in a folder of its own."""
    import sanetune
    from sanetune.errors import UserError

    with tempfile.TemporaryDirectory(prefix="case-") as name:
        folder = Path(name)
        config = _config(case, folder, models)
        try:
            prepared = sanetune.prepare(config)
        except UserError as error:
            return Outcome({}, _refused(case, str(error)))
        if case.refused:
            return Outcome({}, ["is not refused"])
        texts = _texts(prepared)
        report = sanetune.check(config, level="static", select=FAMILIES)
        spoke = {
            one.check: (one.verdict.value, one.message)
            for one in report.findings
            if one.verdict.value in ("warn", "fail", "crash")
        }
    return Outcome(spoke, [*_findings(case, spoke, texts), *_misread(case, texts)])


def _config(case: Case, folder: Path, models: Path) -> dict[str, Any]:
    from bench.faults.setups import FAMILIES as MODELS

    for name, content in case.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        text = (
            content
            if isinstance(content, str)
            else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content)
        )
        file.write_text(text, encoding="utf-8")
    data = {"train": "train.jsonl", "holdout": 0.0} | case.data
    if data.get("validation") or data["train"] != "train.jsonl":
        data.pop("holdout")
    for key in ("train", "validation"):
        if key in data:
            data[key] = str(folder / data[key])
    return {
        "model": MODELS[case.family](models),
        "data": data,
        "train": {"use_cpu": True, "max_length": 1024},
        "run": {"output_dir": str(folder / "run"), "trackers": []},
    }


def _texts(prepared: Any) -> dict[str, str]:
    """``all``: the text of every example; ``loss``: of its tokens in the loss."""
    found: dict[str, list[str]] = {"all": [], "loss": []}
    decode = prepared.tokenizer.decode
    for split in (prepared.train, prepared.validation):
        for row in split or ():
            found["all"].append(decode(row["input_ids"]))
            found["loss"].append(decode([token for token in row["labels"] if token >= 0]))
    return {name: "\n\0\n".join(texts) for name, texts in found.items()}


def _refused(case: Case, error: str) -> list[str]:
    if not case.refused:
        return [f"is refused: {error}"]
    return [f"the error has no “{word}”: {error}" for word in case.refused if word not in error]


def _findings(case: Case, spoke: dict[str, tuple[str, str]], texts: dict[str, str]) -> list[str]:
    said = "; ".join(f"{name} {verdict}: {message}" for name, (verdict, message) in spoke.items())
    if not case.named:
        return [f"false alarm: {said}"] if set(spoke) - set(TRUE_OF.get(case.family, ())) else []
    if case.unless_read and case.unless_read in texts["all"]:
        return []
    return (
        [] if set(case.named) & set(spoke) else [f"none of {', '.join(case.named)} speaks ({said or 'nothing does'})"]
    )


def _misread(case: Case, texts: dict[str, str]) -> list[str]:
    wrong = [f"“{text}” is not in the loss" for text in case.in_loss if text not in texts["loss"]]
    for text in case.masked:
        if text not in texts["all"]:
            wrong.append(f"“{text}” is in no example")
        elif text in texts["loss"]:
            wrong.append(f"“{text}” is in the loss")
    return wrong + [f"“{text}” is in an example" for text in case.absent if text in texts["all"]]
