"""Processes that make trials beside each other, one on each device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
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


def gpus(config: Config) -> list[str]:
    """Return the GPUs that trials can be made on, as ``CUDA_VISIBLE_DEVICES`` names them; empty: there are none."""
    from sanetune.config.machine import default_device

    if config.train.given.get("use_cpu") or default_device() != "cuda":
        return []
    import torch

    count = torch.cuda.device_count()
    named = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    return (named or [str(number) for number in range(count)])[:count]


def made_in_turn(bench: Bench, upcoming: Next, pruner: Pruner) -> Iterator[SweepTrial]:
    """Make the trials one after another in this process."""
    while (found := upcoming([])) is not None:
        trial, others = found
        yield bench.run(trial, pruner(others, trial.steps))


def made_beside(bench: Bench, upcoming: Next, jobs: int, *, prunes: bool) -> Iterator[SweepTrial]:
    """Make the trials in ``jobs`` processes, and yield each when it is done.

    Raises:
        RunError: A process died, or sees another machine than this one.
    """
    context = get_context("spawn")
    places: Queue[str] = context.Queue()
    for place in shared_out(gpus(bench.config), jobs):
        places.put(place)
    arguments = (bench.config, bench.steps, places, jobs)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=arguments)
    under_way: dict[Future[SweepTrial], Changes] = {}
    try:
        while True:
            while len(under_way) < jobs and (found := upcoming(list(under_way.values()))) is not None:
                trial, others = found
                under_way[pool.submit(_make, trial.key, trial.changes, others if prunes else [])] = trial.changes
            if not under_way:
                return
            for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                del under_way[done]
                yield done.result()
    except BrokenProcessPool:
        raise _died("A process that made trials has died.") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def shared_out(gpus: Sequence[str], jobs: int) -> list[str]:
    """Return the GPU of each process, in turn, so that more processes than GPUs share them; "" where there are none.

    >>> shared_out(["0", "3"], 3), shared_out([], 2)
    (['0', '3', '0'], ['', ''])
    """
    return [gpus[number % len(gpus)] if gpus else "" for number in range(jobs)]


def _begin(config: Config, steps: int, places: Queue[str], jobs: int) -> None:
    """Set up a process: its GPU or its share of the cores, and the rows from the cache."""
    global _BENCH
    if gpu := places.get():
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    import torch

    from sanetune.data.prepare import prepare

    if not gpu:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))
    _BENCH = Bench(config, prepare(config), steps)


def _make(key: str, changes: Changes, others: list[SweepTrial]) -> SweepTrial:
    import torch

    from sanetune.workflows.sweep.search import pruner

    assert _BENCH is not None, "the process was not set up"
    trial = _BENCH.planned(changes)
    if trial.key != key:
        raise RunError(
            "A process plans its trial otherwise than the sweep does.",
            "It sees another device or other files, and its trial could not be compared with the others.",
            "Start again with one process: --jobs 1",
        )
    try:
        return _BENCH.run(trial, pruner(others, trial.steps))
    except torch.OutOfMemoryError:
        raise _died("A process that made trials ran out of GPU memory.") from None


def _died(message: str) -> RunError:
    rationale = "Most often the memory does not suffice for so many at once. The trials that are done are kept."
    return RunError(message, rationale, "Start again with fewer processes: --jobs 1")
