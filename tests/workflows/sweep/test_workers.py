"""Trials in processes of their own: where each runs, how many at once, and that it is the same trial."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import torch

from sanetune.config import machine
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.data.prepare import prepare
from sanetune.demo import MODEL, TRAIN
from sanetune.errors import RunError
from sanetune.workflows.sweep import workers
from sanetune.workflows.sweep.result import SweepTrial
from sanetune.workflows.sweep.space import LR, Changes
from sanetune.workflows.sweep.trial import Bench, PlannedTrial
from tests.workflows.sweep import stand_ins
from tests.workflows.sweep.made import trial

Upcoming = Callable[[list[Changes]], "tuple[PlannedTrial, list[SweepTrial]] | None"]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("SANETUNE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.jsonl").write_text("".join(TRAIN.read_text().splitlines(keepends=True)[:24]))
    return load(
        {
            "model": {"name": str(MODEL)},
            "data": {"train": str(tmp_path / "rows.jsonl"), "holdout": 0.25, "workers": 1},
            "train": {"max_steps": 2, "per_device_train_batch_size": 2, "use_cpu": True},
            "run": {"output_dir": str(tmp_path / "run"), "trackers": []},
        }
    )


def handed_out(planned: list[PlannedTrial], seen: list[list[Changes]] | None = None) -> Upcoming:
    """Hands out the trials; ``seen`` gets those that are under way at each call."""
    left = list(planned)

    def upcoming(pending: list[Changes]) -> tuple[PlannedTrial, list[SweepTrial]] | None:
        if seen is not None:
            seen.append(pending)
        return (left.pop(0), []) if left else None

    return upcoming


@pytest.mark.usefixtures("one_thread")
def test_what_a_process_makes_of_what_it_is_sent_is_what_this_one_makes(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set-up and the work of a process, with all that it gets and returns pickled, as between processes."""
    monkeypatch.setattr(workers, "_BENCH", None)
    places: Queue[str] = Queue()
    places.put("")
    sent_config, sent = ForkingPickler.loads(ForkingPickler.dumps((config, {LR: 3e-3})))
    workers._begin(sent_config, 2, places, os.cpu_count() or 1)  # type: ignore[arg-type]

    bench = Bench(config, prepare(config), 2)
    planned = bench.planned({LR: 3e-3})
    beside = ForkingPickler.loads(ForkingPickler.dumps(workers._make(planned.key, sent, [])))
    here = bench.run(planned)
    assert (beside.key, beside.changes, beside.steps) == (here.key, here.changes, here.steps)
    assert beside.evaluation.sums == pytest.approx(here.evaluation.sums, abs=1e-4)


def test_real_processes_make_trials_at_once_each_on_its_place(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both are under way at the same time, as each waits for the other; a third trial is made by one of them."""
    monkeypatch.setattr(workers, "_begin", stand_ins.begin)
    monkeypatch.setattr(workers, "_make", stand_ins.make)
    monkeypatch.setattr(workers, "gpus", lambda config: ["0", "1"])
    monkeypatch.setenv("SWEEP_MEETING", str(tmp_path))
    bench = Bench(config, prepare(config), 2)
    lrs = [1e-5, 1e-4, 1e-3]
    seen: list[list[Changes]] = []
    planned = [bench.planned({LR: lr}) for lr in lrs]
    made = list(workers.made_beside(bench, handed_out(planned, seen), 2, prunes=False))
    assert sorted(one.lr for one in made) == lrs
    assert {one.reason for one in made} == {"0", "1"}
    assert len(list(tmp_path.glob("met-*"))) == 2
    assert max(len(one) for one in seen) == 1  # asked for a second beside one, never for a third beside two


def test_a_process_that_died_is_told_with_what_helps(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    class Dying(ThreadPoolExecutor):
        def __init__(self, jobs: int, **keywords: Any) -> None:
            super().__init__(jobs)

        def submit(self, *args: Any, **keywords: Any) -> Future[Any]:
            found: Future[Any] = Future()
            found.set_exception(BrokenProcessPool())
            return found

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Dying)
    bench = Bench(config, prepare(config), 2)
    with pytest.raises(RunError, match="has died") as caught:
        list(workers.made_beside(bench, handed_out([bench.planned({})]), 2, prunes=False))
    assert "--jobs" in caught.value.remedy


def test_a_trial_that_a_process_plans_otherwise_is_not_made(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(config, prepare(config), 2)
    monkeypatch.setattr(workers, "_BENCH", bench)
    monkeypatch.setattr(Bench, "run", lambda self, planned, prune: trial(1e-4, 1.0))
    assert workers._make(bench.planned({LR: 1e-4}).key, {LR: 1e-4}, []).lr == 1e-4
    with pytest.raises(RunError, match="otherwise"):
        workers._make("another key", {LR: 1e-4}, [])


def test_a_gpu_without_room_is_told_as_such(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Bench, planned: PlannedTrial, prune: Any) -> SweepTrial:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    bench = Bench(config, prepare(config), 2)
    monkeypatch.setattr(workers, "_BENCH", bench)
    monkeypatch.setattr(Bench, "run", run)
    with pytest.raises(RunError, match="out of GPU memory"):
        workers._make(bench.planned({}).key, {}, [])


@pytest.mark.parametrize(
    ("visible", "count", "jobs", "expected"),
    [
        (None, 2, 5, ["0", "1", "0", "1", "0"]),
        ("4,6", 2, 3, ["4", "6", "4"]),
        ("GPU-a, GPU-b", 2, 2, ["GPU-a", "GPU-b"]),
        ("3,-1,5", 1, 2, ["3", "3"]),
        ("", 0, 2, ["", ""]),
    ],
)
def test_more_processes_than_gpus_share_them(
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    visible: str | None,
    count: int,
    jobs: int,
    expected: list[str],
) -> None:
    """None of them ends up on the processor, whose trials are others."""
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(machine, "default_device", lambda: "cuda" if count else "cpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    on_gpus = load(config, ["train.use_cpu=false"])
    assert workers.shared_out(workers.gpus(on_gpus), jobs) == expected
    assert workers.gpus(config) == []
