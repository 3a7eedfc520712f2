"""What of a launch holds for probes, and what for the run."""

from __future__ import annotations

import os

import pytest

from sanetune.engine.distributed import SHARDING, as_launched, unsharded


def test_probes_have_whole_models_and_the_comparison_of_processes_what_the_run_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.delenv("ACCELERATE_USE_DEEPSPEED", raising=False)

    def now() -> dict[str, str]:
        return {name: os.environ[name] for name in SHARDING if name in os.environ}

    before = now()
    with unsharded():
        assert now() == {}
        with as_launched():
            assert now() == before
            os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"  # as accelerate does itself
        assert now() == {}
    assert now() == before
