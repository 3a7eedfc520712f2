"""Processes that make trials beside each other, one on each device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING

from sanetune.config.schema import Config
from sanetune.errors import RunError
from sanetune.workflows.sweep.result import SweepTrial
from sanetune.workflows.sweep.space import Changes
from sanetune.workflows.sweep.trial import Bench, PlannedTrial, Prune

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

Next = Callable[[list[Changes]], "tuple[PlannedTrial, list[SweepTrial]] | None"]
"""Gets what trials under way change; returns the next trial and those to prune it by, or None: none is left for now."""

Pruner = Callable[[list[SweepTrial], int], Prune]
"""Gets the trials to prune by, and the steps of the trial; returns what prunes it."""

_BENCH: Bench | None = None


def devices() -> int:
    """Return how many GPUs there are, on each of which a trial can be made; 1 on other machines."""
    from sanetune.config.machine import default_device

    if default_device() != "cuda":
        return 1
    import torch

    return max(1, torch.cuda.device_count())


def made_in_turn(bench: Bench, upcoming: Next, pruner: Pruner) -> Iterator[SweepTrial]:
    """Make the trials one after another in this process."""
    while (found := upcoming([])) is not None:
        trial, others = found
        yield bench.run(trial, pruner(others, trial.steps))


def made_beside(bench: Bench, upcoming: Next, jobs: int, *, prunes: bool) -> Iterator[SweepTrial]:
    """Make the trials in ``jobs`` processes, and yield each when it is done.

    Raises:
        RunError: A process died.
    """
    context = get_context("spawn")
    numbers: Queue[int] = context.Queue()
    for number in range(jobs):
        numbers.put(number)
    arguments = (bench.config, bench.steps, numbers, jobs)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=arguments)
    under_way: dict[Future[SweepTrial], Changes] = {}
    try:
        while True:
            while len(under_way) < jobs and (found := upcoming(list(under_way.values()))) is not None:
                trial, others = found
                under_way[pool.submit(_make, trial.changes, others if prunes else [])] = trial.changes
            if not under_way:
                return
            for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                del under_way[done]
                yield done.result()
    except BrokenProcessPool:
        raise RunError(
            "A process that made trials has died.",
            "Most often its memory did not suffice. The trials that are done are kept.",
            "Start again with fewer processes: --jobs 1",
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(config: Config, steps: int, numbers: Queue[int], jobs: int) -> None:
    """Set up a process: its device or its share of the cores, and the rows from the cache."""
    global _BENCH
    number = numbers.get()
    visible = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[number % len(visible)] if visible else str(number)
    import torch

    from sanetune.data.prepare import prepare

    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    _BENCH = Bench(config, prepare(config), steps)


def _make(changes: Changes, others: list[SweepTrial]) -> SweepTrial:
    from sanetune.workflows.sweep.search import pruner

    assert _BENCH is not None, "the process was not set up"
    trial = _BENCH.planned(changes)
    return _BENCH.run(trial, pruner(others, trial.steps))
