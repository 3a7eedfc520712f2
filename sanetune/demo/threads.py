"""How many threads train the embedded model fastest: all of them on idle cores, one beside other work."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from sanetune.demo import MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from transformers import PreTrainedModel

ROWS, TOKENS = 4, 128
TRIES = 3
"""Times that each number of threads is measured, after one more; the fastest counts."""


def set_fastest() -> int:
    """Set torch's threads to all that it has been given, or to one where that is faster; takes about a second.

    The matrices of so small a model keep a thread busy for a millisecond. One that shares its core with other work is
    late at the end of each, and all wait for it: two threads are then slower than one.

    Returns:
        Number of threads.
    """
    import torch

    from sanetune.demo.answers import load

    given = torch.get_num_threads()
    if given > 1:
        model = load(MODEL)
        rows = torch.arange(ROWS * TOKENS).view(ROWS, TOKENS) % model.config.vocab_size
        step = partial(_step, model, rows)
        seconds = {threads: _seconds(step, threads) for threads in (1, given)}
        torch.set_num_threads(min(seconds, key=seconds.__getitem__))
    return torch.get_num_threads()


def _step(model: PreTrainedModel, rows: torch.Tensor) -> None:
    """Make a forward and a backward pass over ``rows`` (rows x tokens)."""
    model(input_ids=rows, labels=rows).loss.backward()


def _seconds(step: Callable[[], None], threads: int) -> float:
    """Return the seconds of ``step``, at best."""
    import torch

    torch.set_num_threads(threads)
    step()
    best = float("inf")
    for _ in range(TRIES):
        began = time.perf_counter()
        step()
        best = min(best, time.perf_counter() - began)
    return best
