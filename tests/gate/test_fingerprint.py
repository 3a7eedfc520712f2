"""What voids a clearance, and in which words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sanetune.gate.differences import differences
from sanetune.gate.fingerprint import Fingerprint
from sanetune.gate.identity import hash_files, hub_commit

Take = Callable[..., Fingerprint]


def other(mark: Fingerprint, **parts: Any) -> list[str]:
    return differences(mark, replace(mark, **parts))


def test_nothing_changed_is_nothing_to_tell(take: Take) -> None:
    assert differences(take(), take()) == []


@pytest.mark.parametrize(
    "change",
    [
        "run.output_dir=elsewhere",
        "run.name=y",
        "run.trackers=[wandb]",
        "train.logging_first_step=true",
        "train.run_name=tea",
        "train.report_to=wandb",
        "data.workers=1",
        "run.sample_prompts=[Hello]",
        "check.level=static",
        "train.max_grad_norm=1.0",  # SFTConfig's own default, written down
    ],
)
def test_where_a_run_is_kept_and_shown_does_not_void(take: Take, change: str) -> None:
    assert differences(take(), take(change)) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("train.learning_rate=2.0e-4", "train.learning_rate was 2e-05, is 0.0002"),
        ("train.max_grad_norm=0.3", "train.max_grad_norm was 1.0, is 0.3"),
        ("model.adapter=lora", "model.adapter.r was unset, is 16"),
        ("data.loss_on=all", "data.loss_on was 'assistant', is 'all'"),
        ("check.limits.rows-duplicated.share=0.5", "check.limits.rows-duplicated.share was unset, is 0.5"),
        ("check.severity.rows-secrets=off", "check.severity.rows-secrets was unset, is 'off'"),
        ("check.ignore=[rows-secrets]", "check.ignore was [], is ['rows-secrets']"),
        ("budget.max_usd=10", "budget.max_usd was unset, is 10"),
        ("run.devices=2", "run.devices was 1, is 2"),
        ("train.seed=7", "train.seed was 42, is 7"),
    ],
)
def test_a_changed_value_is_named_with_both(take: Take, change: str, words: str) -> None:
    found = differences(take(), take(change))
    assert any(one.startswith(words) for one in found), found


def test_only_what_follows_from_a_changed_learning_rate_is_reported(take: Take) -> None:
    assert differences(take(), take("train.learning_rate=2.0e-4")) == ["train.learning_rate was 2e-05, is 0.0002"]


def test_a_row_more_or_a_byte_changed_in_the_data_voids(take: Take) -> None:
    before, file = take(), Path("rows.jsonl")
    text = file.read_bytes()
    file.write_bytes(text + text.splitlines(keepends=True)[0])
    assert "data rows.jsonl has changed: 40 lines -> 41" in differences(before, take())
    place = text.index(b"a", 200)
    file.write_bytes(text[:place] + b"e" + text[place + 1 :])
    (said,) = [one for one in differences(before, take()) if "rows.jsonl" in one]
    assert said.startswith("data rows.jsonl has changed: hash ")
    file.write_bytes(text)
    assert differences(before, take()) == []


def test_validation_rows_count_and_a_file_that_only_moved_does_not(take: Take) -> None:
    before = take()
    Path("rows.jsonl").rename("moved.jsonl")
    assert differences(before, take("data.train=moved.jsonl")) == []
    with Path("held.jsonl").open("a") as file:
        file.write("\n")
    found = differences(before, take("data.train=moved.jsonl"))
    assert found == ["validation data held.jsonl has changed: 6 lines -> 7"]


def test_files_are_gone_new_or_in_another_order(take: Take) -> None:
    mark = take()
    one, two = {"kind": "lines", "hash": "a"}, {"kind": "lines", "hash": "b"}
    assert other(mark, data={"train": {"rows.jsonl": one}, "validation": mark.data["validation"]})[0].startswith(
        "data rows.jsonl has changed"
    )
    both = replace(mark, data={"train": {"a": one, "b": two}})
    assert other(both, data={"train": {"b": two, "a": one}}) == ["the files of data come in another order"]
    assert other(both, data={"train": {"a": one}}) == ["data b is gone"]
    assert other(replace(both, data={"train": {"a": one}}), data={"train": {"a": one, "b": two}}) == ["data b is new"]


def test_a_changed_template_weight_or_tokenizer_voids(take: Take) -> None:
    before, template = take(), Path("chat.jinja").read_text()
    Path("chat.jinja").write_text(template.replace("{{ m.content }}", "{{ m.content }} "))
    assert differences(before, take()) == ["the chat template has changed"]
    Path("chat.jinja").write_text(template)
    weights = Path("model/model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    (said,) = differences(before, take())
    assert said.startswith("the model's model.safetensors has changed: hash ")
    data[-1] ^= 1
    weights.write_bytes(data)
    Path("model/generation_config.json").write_text("{}")
    (said,) = differences(before, take())
    assert said.startswith("the model's generation_config.json has changed: ")


def test_what_only_is_beside_the_model_does_not_void(take: Take) -> None:
    before = take()
    for name in ("README.md", "LICENSE.txt", "consolidated.safetensors", ".DS_Store.json"):
        Path("model", name).write_text("x")
    assert differences(before, take()) == []


def test_another_version_of_a_library_voids_also_a_patch(take: Take) -> None:
    mark = take()
    assert set(mark.versions) >= {"torch", "transformers", "trl", "tokenizers", "sanetune"}
    now = mark.versions | {"transformers": "999.0.1", "peft": None}
    assert other(mark, versions=now) == [
        f"transformers {mark.versions['transformers']} -> 999.0.1",
        f"peft {mark.versions['peft']} -> not installed",
    ]


def test_on_the_hub_a_commit_counts_and_one_that_cannot_be_reported_proves_nothing(take: Take) -> None:
    mark = replace(take(), model={"me/it": {"revision": "main", "commit": "a" * 40}})
    moved = {"me/it": {"revision": "main", "commit": "b" * 40}}
    assert other(mark, model=moved) == ["the model's me/it has changed: commit aaaaaaaa… -> bbbbbbbb…"]
    hidden = replace(mark, model={"me/it": {"revision": "main", "commit": None}})
    assert "the Hub does not say" in differences(hidden, hidden)[0]
    pinned = hub_commit("me/it", "c" * 40, "model")
    assert pinned == {"commit": "c" * 40}


def test_half_a_gigabyte_is_read_in_seconds(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    with file.open("wb") as stream:
        stream.truncate(500 * 1024**2)
    began = time.perf_counter()
    found = hash_files({"w": file})
    assert found["w"]["size"] == 500 * 1024**2
    assert time.perf_counter() - began < 10
