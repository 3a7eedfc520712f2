"""Replay rows are trained as many as was asked for, and are nowhere else: not held out, not among the task's rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sanetune.config.load import load
from sanetune.data.holdout import prompt_key
from sanetune.data.prepare import Prepared, prepare
from sanetune.demo import MODEL
from sanetune.errors import ConfigError, DataError
from sanetune.evidence.conversations import ConversationStore
from sanetune.probes.general.material import material_of

TASK = MODEL.parent / "data/train.jsonl"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


def prepared(replay: Any, train: dict[str, Any] | None = None, **data: Any) -> Prepared:
    section = {"train": str(TASK), "max_examples": 90, "workers": 1, **data}
    section |= {} if replay is None else {"replay": replay}
    return prepare(load({"model": {"name": str(MODEL)}, "data": section, "train": train or {}}))


def ids(rows: Any) -> list[tuple[int, ...]]:
    """The ids of every document of a split."""
    found = []
    for row in rows:
        start = 0
        for length in row.get("seq_lengths") or [len(row["input_ids"])]:
            found.append(tuple(row["input_ids"][start : start + length]))
            start += length
    return found


@pytest.mark.parametrize("packing", [False, True])
def test_the_rows_of_the_task_and_those_held_out_are_those_without_replay(packing: bool) -> None:
    options = {"packing": True, "max_length": 512} if packing else {}
    plain, mixed = prepared(None, options), prepared({"share": 0.25}, options)
    assert plain.validation is not None and mixed.validation is not None
    assert ids(mixed.validation) == ids(plain.validation)
    own = len(mixed.train) - mixed.replay_rows
    assert ids(mixed.train.select(range(own))) == ids(plain.train)
    behind = ids(mixed.train.select(range(own, len(mixed.train))))
    general = {tuple(one) for one in ids(mixed.train)} - set(ids(plain.train))
    assert set(behind) == general and not general & set(ids(plain.validation))
    documents = len(ids(mixed.train))
    assert mixed.stats["replay"]["rows"] == len(behind) == round(0.25 * documents)
    # Every document in a batch leads to its row, and the first ones to the task's own file.
    origin = mixed.origins["train"]
    assert sorted(tuple(origin.example(at)["input_ids"]) for at in range(len(origin.rows))) == sorted(ids(mixed.train))
    assert {origin.conversation(at).place.file for at in range(origin.own)} == {str(TASK)}
    assert Path(str(origin.conversation(len(origin.rows) - 1).place.file)).name == "general.jsonl"


def test_checks_of_rows_see_the_task_alone() -> None:
    mixed = prepared("general")
    config = load({"model": {"name": str(MODEL)}, "data": {"train": str(TASK), "replay": "general"}})
    store = ConversationStore.of(mixed.sources, config.data)
    assert len(store) == mixed.stats["rows"] == 90
    assert {str(one.place.file) for one in [*store.train, *store.validation]} == {str(TASK)}
    assert all(str(one.place.file) == str(TASK) for one in mixed.conversations("train"))


def test_more_rows_than_there_are_repeat_each_evenly(tmp_path: Path) -> None:
    file = tmp_path / "general.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"What is {n}?", "completion": "A number."}) + "\n" for n in "123"))
    mixed = prepared({"path": str(file), "share": 0.5})
    own = mixed.origins["train"].own
    counts = [ids(mixed.train)[own:].count(one) for one in set(ids(mixed.train)[own:])]
    assert sum(counts) == own and max(counts) - min(counts) <= 1 and len(counts) == 3


def test_a_prompt_that_is_held_out_is_not_trained_by_replay(tmp_path: Path) -> None:
    plain = prepared(None)
    held_out = plain.conversation("validation", 0)
    file = tmp_path / "general.jsonl"
    file.write_text(json.dumps({"messages": held_out.messages}) + "\n")
    with pytest.raises(DataError, match="None of 1 replay rows can be used"):
        prepared({"path": str(file)})
    with file.open("a") as more:
        more.write(json.dumps({"prompt": "What is ice?", "completion": "Frozen water."}) + "\n")
    mixed = prepared({"path": str(file)})
    keys = {prompt_key(mixed.origins["train"].conversation(at)) for at in range(len(mixed.origins["train"].rows))}
    assert prompt_key(held_out) not in keys and mixed.stats["replay"]["different"] == 1


def test_the_packages_rows_are_none_of_those_by_which_forgetting_is_measured() -> None:
    mixed, measured = prepared({"share": 0.9}), material_of("general")
    assert measured is not None
    origin = mixed.origins["train"]
    replay = [origin.conversation(at) for at in range(origin.own, len(origin.rows))]
    texts = {one.text for one in replay if one.text is not None}
    prompts = {str(one.messages[0]["content"]) for one in replay if one.text is None}
    assert len(texts) == 26 and len(prompts) == 92
    assert not texts & {one.text for one in measured.texts} and not prompts & {one.text for one in measured.prompts}


def test_a_share_of_zero_only_names_rows_to_try() -> None:
    plain, named = prepared(None), prepared({"share": 0.0})
    assert ids(named.train) == ids(plain.train) and "replay" not in named.stats and not named.replay_rows
    assert named.fingerprint == plain.fingerprint


def test_rows_behind_all_others_are_refused_where_the_order_is_the_files() -> None:
    with pytest.raises(ConfigError, match=r"sequential, and data\.replay mixes"):
        prepared("general", {"train_sampling_strategy": "sequential"})
