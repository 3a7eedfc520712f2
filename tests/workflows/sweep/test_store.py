"""What a sweep has made outlives a kill in the middle of a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.errors import RunError
from sanetune.gate.identity import Identity
from sanetune.workflows.sweep.store import FILE, PROBE, RESULT, START, TrialStore, key_of
from tests.workflows.sweep.made import trial

BASE = {"model": {"name": "owner/model"}, "data": {"train": "owner/data"}}
MODEL: dict[str, Identity] = {"model.safetensors": {"hash": "a", "size": 1}}


def test_a_truncated_line_is_left_out_and_spoils_no_other(tmp_path: Path) -> None:
    first, second, third = trial(1e-4, 1.0), trial(1e-3, 2.0), trial(1e-2, 3.0)
    store = TrialStore(tmp_path)
    store.add(first)
    store.add(second)
    file = tmp_path / FILE
    file.write_bytes(file.read_bytes()[:-40])
    again = TrialStore(tmp_path)
    assert again.get(first.key) == first
    assert again.get(second.key) is None
    again.add(third)
    last = TrialStore(tmp_path)
    assert (last.get(first.key), last.get(second.key), last.get(third.key)) == (first, None, third)


def test_a_text_with_line_breaks_of_other_kinds_is_kept(tmp_path: Path) -> None:
    made = trial(1e-3, 1.0, changes={"model.freeze": "a\u2028b\u2029c\u0085d\x0be"})
    TrialStore(tmp_path).add(made)
    assert TrialStore(tmp_path).get(made.key) == made


def test_lines_of_a_stranger_are_left_out(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('[1]\n{"key": "a"}\nnot json\n\n' + '{"key": "b", "lr": "' + "x" * 10 + '"}\n')
    assert TrialStore(tmp_path).get("a") is None


def test_a_folder_that_is_a_file_or_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    file, run = tmp_path / "rows.jsonl", tmp_path / "run"
    file.write_text("rows")
    run.mkdir()
    for name in ("config.yaml", "metrics.jsonl", "model", "samples.json"):
        (run / name).touch()
    with pytest.raises(RunError, match="cannot be written: File exists"):
        TrialStore(file)
    with pytest.raises(RunError, match=r"is no sweep's: it holds config.yaml, metrics.jsonl, model and 1 more"):
        TrialStore(run)
    assert file.read_text() == "rows" and len(list(run.iterdir())) == 4


@pytest.mark.parametrize("name", [PROBE, FILE, RESULT, START, ""])
def test_what_a_sweep_has_left_is_gone_on_with_and_an_empty_folder_is_taken(tmp_path: Path, name: str) -> None:
    if name:
        (tmp_path / name).touch()
        (tmp_path / "plots").mkdir()
    assert TrialStore(tmp_path).get("a") is None


def test_the_key_is_of_what_decides_the_trial_and_of_nothing_else() -> None:
    base = load(BASE)
    key = key_of(base, {}, 10, "rows", MODEL)
    assert key == key_of(load(BASE, ["run.name=another", "check.samples=1"]), {}, 10, "rows", MODEL)
    others = [
        key_of(load(BASE, ["train.seed=2"]), {}, 10, "rows", MODEL),
        key_of(load(BASE, ["model.adapter=lora"]), {}, 10, "rows", MODEL),
        key_of(base, {"train.learning_rate": 1e-4}, 10, "rows", MODEL),
        key_of(base, {}, 11, "rows", MODEL),
        key_of(base, {}, 10, "other rows", MODEL),
        key_of(base, {}, 10, "rows", {"model.safetensors": {"hash": "b", "size": 1}}),
        key_of(base, {}, 10, "rows", {"owner/model": {"revision": "main", "commit": "c"}}),
    ]
    assert len({key, *others}) == 8
