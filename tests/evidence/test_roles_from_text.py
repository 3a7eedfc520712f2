"""The independent route and the data's own labels agree on real rows, and each can be wrong without the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sanetune.config.load import load
from sanetune.data.labels import IGNORE_INDEX
from sanetune.evidence.batch_stats import BatchStats
from sanetune.evidence.from_config import ConfigEvidence
from sanetune.evidence.registry import Evidence, builders_of
from sanetune.evidence.token_roles import IN_LOSS, NAMES
from tests import real


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))


def evidence(tmp_path: Path, settings: dict[str, Any]) -> Evidence:
    config = load(settings)
    (tmp_path / "scratch").mkdir()
    return Evidence(builders_of(ConfigEvidence(config, tmp_path / "scratch")), {"config": config})


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "alpaca": ({"train": real.STORIES["alpaca"]}, {}),
    "sharegpt, packed": ({"train": real.STORIES["sharegpt"]}, {"packing": True}),
    "sharegpt, last": ({"train": real.STORIES["sharegpt"], "loss_on": "last"}, {}),
    "gsm8k, cut": ({"train": real.STORIES["gsm8k"], "overlong": "cut"}, {"max_length": 200}),
    "drone": (real.TOOLS["drone"], {"max_length": 8192}),
    "airline": (real.TOOLS["airline"], {"max_length": 16384}),
}


@pytest.mark.parametrize("name", CASES)
def test_two_routes_to_the_labels_agree_on_every_token_of_real_rows(shared: Path, tmp_path: Path, name: str) -> None:
    data, train = CASES[name]
    tools = data["train"] in {one["train"] for one in real.TOOLS.values()}
    model = real.qwen3(shared, tmp_path / "model") if tools else shared / "models/stories260k"
    settings = real.config(shared, model, {**data, "max_examples": 60}, tmp_path / "run", train)
    if not tools:
        settings["model"]["chat_template"] = "chatml"
    batch_stats: BatchStats = evidence(tmp_path, settings)["batch_stats"]
    for side in batch_stats.splits:
        assert side.documents == side.rows > 0
        assert (side.roles_unknown, side.disagree, side.missing_reply, side.not_in_data) == (0, 0, 0, 0)
        assert side.loss_tokens_by["assistant"] > 0
        assert not side.loss_tokens_by.keys() & {"user", "system", "tool"}
        if name == "gsm8k, cut":
            assert 0 < side.truncated <= side.turns == side.truncated + sum(side.ends.values())
        else:
            assert side.turns == sum(side.ends.values())


def test_who_is_reported_for_every_token_and_by_example(shared: Path, tmp_path: Path) -> None:
    data = {"train": real.STORIES["alpaca"], "max_examples": 20}
    model = shared / "models/stories260k"
    settings = real.config(shared, model, data, tmp_path / "run", {}, chat_template="chatml")
    found = evidence(tmp_path, settings)
    prepared, token_roles = found["prepared"], found["token_roles"]
    for number, row in enumerate(prepared.train):
        roles = token_roles.of("train", row["input_ids"])
        assert roles is not None and roles.example == number
        in_loss = np.asarray(row["labels"]) != IGNORE_INDEX
        assert (in_loss[roles.expected_T == IN_LOSS]).all()
        text = prepared.tokenizer.decode(
            [token for token, who in zip(row["input_ids"], roles.roles_T, strict=True) if NAMES[who] == "assistant"]
        )
        answer = prepared.conversation("train", number).messages[-1]["content"]
        assert text.split() == answer.split()
    assert token_roles.of("train", [1, 2, 3]) is None
