"""Sources are mixed by weight: exactly, by seed, reported, cached, and no copy is on both sides of a split."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.data.prepared import Prepared
from sanetune.demo import MODEL
from sanetune.planning.plan import plan


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    for name, count in (("a", 40), ("b", 30)):
        rows = [
            {"prompt": f"What is {name}{number}?", "completion": f"It is part {number}."} for number in range(count)
        ]
        Path(f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def mixed(**data: Any) -> Prepared:
    sources = [{"path": "a.jsonl", "weight": 1.5}, {"path": "b.jsonl", "weight": 2}]
    return prepare(load({"model": {"name": str(MODEL)}, "data": {"train": sources, **data}}))


def questions(prepared: Prepared, split: str) -> Counter[str]:
    rows = prepared.first(split, 1_000) or []
    return Counter(prepared.tokenizer.decode(row["input_ids"]).split("What is ")[1].split("?")[0] for row in rows)


def test_each_source_gives_what_its_weight_says_and_data_and_plan_say_so() -> None:
    prepared = mixed(holdout=0)
    assert prepared.stats["mixture"] == [
        {"path": str(Path("a.jsonl").resolve()), "weight": 1.5, "rows": 40, "used": 60},
        {"path": str(Path("b.jsonl").resolve()), "weight": 2.0, "rows": 30, "used": 60},
    ]
    lines = ["a.jsonl × 1.5: 60 uses of 40 rows, 50 % of all", "b.jsonl × 2: 60 uses of 30 rows, 50 % of all"]
    assert prepared.mixture == lines
    assert list(plan(load({"model": {"name": str(MODEL)}, "data": {"train": "a.jsonl"}})).sizes.data.mixture) == []
    assert sum(questions(prepared, "train").values()) == 120


def test_the_same_rows_come_by_seed_and_from_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = questions(mixed(holdout=0), "train"), mixed(holdout=0)
    assert questions(again, "train") == first and again.mixture, "from the cache"
    monkeypatch.setenv("SANETUNE_CACHE", "another")
    assert questions(mixed(holdout=0), "train") == first, "prepared anew"
    assert questions(mixed(holdout=0, seed=5), "train") != first


def test_copies_of_a_row_are_never_on_both_sides_of_a_split() -> None:
    prepared = mixed(holdout=0.2)
    train, validation = questions(prepared, "train"), questions(prepared, "validation")
    assert validation and not set(train) & set(validation)
    assert sum(train.values()) + sum(validation.values()) <= 120


def test_validation_rows_are_told_apart_by_source(place: Path) -> None:
    (place / "other").mkdir()
    for name, count in (("c", 3), ("other/a", 2), ("other/b", 1)):
        rows = [{"prompt": f"What is {name}{number}?", "completion": "A part."} for number in range(count)]
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepared = mixed(validation=["c.jsonl", "other"])
    asked = [
        prepared.tokenizer.decode(row["input_ids"]).split("What is ")[1].split("?")[0]
        for row in prepared.first("validation", 100) or []
    ]
    sets = {name: [asked[number] for number in numbers] for name, numbers in prepared.validation_sets.items()}
    assert sets == {"c": ["c0", "c1", "c2"], "other": ["other/a0", "other/a1", "other/b0"]}
    assert not mixed(validation="other").validation_sets and not mixed(holdout=0.1).validation_sets
