"""The processes that train together."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from sanetune.config.launch import adopt
from sanetune.config.machine import process_count
from sanetune.engine.devices import device_of
from sanetune.errors import RunError, UserError

if TYPE_CHECKING:
    from accelerate import PartialState
    from torch import Tensor

    from sanetune.config.schema import Config

STARTED = "SANETUNE_STARTED"
"""Variable of processes that another one of ours has started, watches, and reports on."""
PATIENCE = 3.0
"""Seconds that other processes leave to the main one to say why all of them end."""


def processes(config: Config) -> PartialState:
    """Return accelerate's ``PartialState`` for this launch.

    Processes that train on CPUs find each other only when it is told that they do: left to itself, each of them takes
    itself for the main one.
    """
    from accelerate import PartialState

    adopt()
    return PartialState(cpu=True) if process_count() > 1 and device_of(config) != "cuda" else PartialState()


class GoneProcessError(RunError):
    """Another process of the launch has ended, or cannot be reached."""


def gone_process(error: BaseException) -> GoneProcessError | None:
    """Return the error that ``error`` is where another process is gone; None: it is something else.

    gloo and NCCL say that a connection was closed, and not why: the reason is with the process that ended first.
    """
    words = " ".join(str(error).split())
    named = type(error).__name__ in ("DistBackendError", "DistNetworkError", "DistStoreError")
    if not named and not (isinstance(error, RuntimeError) and ("gloo" in words.lower() or "by peer" in words)):
        return None
    rank, size = int(os.environ.get("RANK") or 0), process_count()
    if size == 1:
        return None
    return GoneProcessError(
        f"Process {rank} of {size} cannot reach another one any more, and ends: {words[:200]}",
        "No step can be made without it; what made it end is said by that process, if it could.",
        "Go on from the last checkpoint with --resume.",
    )


def is_quiet_end(error: UserError) -> bool:
    """Whether this process is to end with ``error`` in silence, since another one of the launch says why.

    What the main process says holds for all. A fault of one of the others alone is said by it, once it is clear that
    the main process has not ended too: launchers stop all processes when the first one ends.
    """
    if isinstance(error, GoneProcessError) and STARTED in os.environ:
        return True
    if is_main_process():
        return False
    time.sleep(PATIENCE)
    return isinstance(error, GoneProcessError) or error.exit_code == 1


SHARDING = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
"""Variables with which accelerate shards a model."""


_taken_away: dict[str, str] = {}
"""Those of them that :func:`unsharded` has taken away."""


@contextlib.contextmanager
def unsharded() -> Iterator[None]:
    """Let what is built inside have a whole model in each process, also where the run shards it."""
    kept = {name: os.environ.pop(name) for name in SHARDING if name in os.environ}
    _taken_away.update(kept)
    try:
        yield
    finally:
        _put(kept)
        _taken_away.clear()


@contextlib.contextmanager
def as_launched() -> Iterator[None]:
    """Let what is built inside :func:`unsharded` be sharded all the same, as the run is."""
    kept = {name: os.environ[name] for name in SHARDING if name in os.environ}
    _put(kept | _taken_away)
    try:
        yield
    finally:
        _put(kept)


def _put(variables: Mapping[str, str]) -> None:
    """Let of :data:`SHARDING` these be set alone: accelerate sets them too."""
    for name in SHARDING:
        os.environ.pop(name, None)
    os.environ.update(variables)


@contextlib.contextmanager
def kept_states() -> Iterator[None]:
    """Put accelerate's shared states back at the end: each trainer that is built replaces them for all others."""
    from accelerate.state import AcceleratorState, GradientState, PartialState

    states = [one._shared_state for one in (PartialState, AcceleratorState, GradientState)]
    kept = [dict(state) for state in states]
    try:
        yield
    finally:
        for state, before in zip(states, kept, strict=True):
            state.clear()
            state.update(before)


def whole(weight: Tensor) -> Tensor:
    """Return a weight that may be divided among the processes as it is without; all of them ask together."""
    if hasattr(weight, "ds_id"):
        import importlib

        # Not its float32 copy: frozen weights have none.
        with importlib.import_module("deepspeed").zero.GatheredParameters([weight]):
            return weight.detach().clone()
    data = weight.detach()
    return cast("Tensor", data.full_tensor()) if hasattr(data, "full_tensor") else data


def is_main_process() -> bool:
    """Return whether this is the process of the launch (torchrun's RANK 0, or the only one) that reports and writes.

    For commands that start no process group; where there is one, ask :func:`processes`.
    """
    return int(os.environ.get("RANK") or 0) == 0
