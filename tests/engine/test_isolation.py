"""What only checks a run reaches no hub and no tracker."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanetune.config.load import load
from sanetune.data.prepare import prepare
from sanetune.engine.isolation import isolated
from sanetune.engine.registry import engine_of
from sanetune.planning.plan import plan
from sanetune.probes.harness import probe_harness

DEMO = Path(__file__).resolve().parents[2] / "sanetune" / "demo"
PUSHED = {"push_to_hub": True, "hub_model_id": "rosa/lamps", "use_cpu": True}


def test_an_isolated_copy_pushes_nothing_and_the_run_itself_still_does() -> None:
    config = load(
        {
            "model": {"name": "owner/m"},
            "data": {"train": "owner/d"},
            "train": PUSHED,
            "run": {"trackers": ["tensorboard"]},
        }
    )
    copy = isolated(config)
    assert "push_to_hub" not in copy.train.given and copy.run.trackers == []
    assert config.train.given["push_to_hub"] is True and config.run.trackers == ["tensorboard"]


def test_no_check_creates_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    created: list[str] = []
    monkeypatch.setattr(transformers.Trainer, "init_hf_repo", lambda self, *a, **k: created.append("one"))
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path))
    config = load(
        {
            "model": {"name": str(DEMO / "model")},
            "data": {"train": str(DEMO / "data/train.jsonl"), "max_examples": 40},
            "train": PUSHED,
            "run": {"output_dir": str(tmp_path / "run")},
        }
    )
    prepared = prepare(config)
    resolved = plan(config, prepared).config
    engine_of(resolved).epoch(resolved, prepared)
    with probe_harness(resolved, prepared):
        assert created == []
