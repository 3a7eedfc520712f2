"""Fixtures that several parts use."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A first example imports what it needs, which takes seconds on a busy machine: time is measured in bench/.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Models this small are faster on one thread, and threads beyond the cores wait for each other for seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Let no collection of garbage go through modules and tests: each training asks for two, of half a second each."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _imported() -> Iterator[None]:
    """As ``pytest_collection_finish``, for what a file has imported late."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real material, SANETUNE_SHARED or ../shared. Without it: a failure under CI=true, else a skip."""
    folder = Path(os.environ.get("SANETUNE_SHARED") or Path(__file__).resolve().parents[2] / "shared")
    if not (folder / "data").is_dir():
        reason = f"no real material in {folder} (set SANETUNE_SHARED)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of at most eight tokens, where a test is not about them: writing them takes longer than a few steps."""
    for module in ("prompts", "samples"):
        monkeypatch.setattr(f"sanetune.probes.{module}.max_new_tokens", lambda *words: 8)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread: for tiny models more of them only wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
