"""Trials with replay rows begin at the base, leave the trial's own rows out of nothing, and cost what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanetune import check
from sanetune.config.load import load
from sanetune.demo import MODEL
from sanetune.finding import Finding, Verdict

pytestmark = pytest.mark.usefixtures("one_thread")


def forgets(tmp_path: Path, **limits: float) -> Finding:
    """The finding of model-forgets on a short trial of the demo's model, under limits that it passes or not."""
    keep = tmp_path / "keep.jsonl"
    texts = ["We are sorry for the delay.", "Thank you for your order of two lamps.", "Our shop is open on Sundays."]
    keep.write_text("".join(json.dumps({"text": f"{text} {n}"}) + "\n" for n in range(2) for text in texts))
    config = load(
        {
            "model": {"name": str(MODEL)},
            "data": {"train": str(MODEL.parent / "data/train.jsonl"), "max_examples": 80, "workers": 1},
            "train": {"max_steps": 10, "learning_rate": 5e-3, "use_cpu": True, "per_device_train_batch_size": 4},
            "check": {
                "keep": str(keep),
                "select": ["model-forgets"],
                "trial_steps": 10,
                "trial_eval_steps": 10,
                "samples": 2,
                "limits": {"model-forgets": limits},
            },
            "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
        }
    )
    (found,) = check(config, level="trial").findings
    return found


def test_a_check_that_warns_tries_replay_rows_from_the_same_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("sanetune.probes.replay_trials.SHARES", (0.25,))
    found = forgets(tmp_path, rise=-9.0, errors=-9e9)
    assert found.verdict is Verdict.WARN
    (tried,) = found.numbers["replay"]
    # The base is the same one, so that both models' losses on the texts begin at the same number.
    assert tried["text_base"] == pytest.approx(found.numbers["text_base"], rel=1e-6)
    assert (tried["share"], tried["steps"], tried["enough"]) == (0.25, 10, False)
    assert tried["text_tuned"] != found.numbers["text_tuned"]
    assert tried["cost_low"] < tried["cost"] < tried["cost_high"]
    assert "replay_failed" not in found.numbers and not found.fix
