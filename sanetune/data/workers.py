"""Run one function over many items in several processes, in order and with bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

UNDER_WAY = 2
"""Items per process that are sent out before a result is waited for, so that a fast reader does not fill the memory."""


def cores() -> int:
    """Return the number of cores that this process may use (a container often has fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_order(function: Callable[[T], R], items: Iterable[T], processes: int) -> Iterator[R]:
    """Yield ``function(item)`` for each item, in the order of ``items``.

    ``function`` reaches the processes by forking and need not be picklable; items and results are pickled. With one
    process, or where processes cannot be forked safely, everything runs in this one.
    """
    if processes == 1 or sys.platform != "linux":
        # Elsewhere processes start by importing the user's script anew, which a script without a main guard does not
        # survive.
        yield from map(function, items)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, context, _start, (function,)) as pool:
        under_way: deque[Future[Any]] = deque()
        try:
            for item in items:
                under_way.append(pool.submit(_call, item))
                if len(under_way) >= UNDER_WAY * processes:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()


_function: Callable[[Any], object] | None = None


def _start(function: Callable[[Any], object]) -> None:
    global _function
    # One process per core: threads inside the tokenizer would only fight over them.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _function = function


def _call(item: object) -> object:
    assert _function is not None
    return _function(item)
