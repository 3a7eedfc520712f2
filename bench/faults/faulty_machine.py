"""Faults of the machine: memory and disks that are too small, budgets that do not suffice, and steps that are slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest import mock

from bench.faults.faulty_models import built
from bench.faults.recipes import deeply, during
from bench.faults.setups import Setup

ON = ("stories-alpaca", "gemma3-alpaca+lora", "demo-demo")


@contextmanager
def memory(total: float) -> Iterator[None]:
    """A machine whose memory is ``total`` times what the process has now."""
    import psutil

    from sanetune.probes import peak_memory as measured

    whole = measured.Resident.__init__

    def small(self: Any) -> None:
        whole(self)
        self.total = int(total * psutil.Process().memory_info().rss)

    with mock.patch.object(measured.Resident, "__init__", small):
        yield


@during("machine-memory-short", "probe", on=ON)
def memory_nearly_full(setup: Setup) -> AbstractContextManager[None]:
    """One step takes all but a few percent of the memory."""
    return memory(1.02)


@during("machine-memory-short", "probe", on=("stories-alpaca", "qwen3-alpaca"))
def long_batch_does_not_fit(setup: Setup) -> AbstractContextManager[None]:
    """The step on the longest rows is out of memory, others are not."""
    from sanetune.probes.harness import ProbeHarness

    whole = ProbeHarness.gradients

    def short(self: ProbeHarness, *args: Any, **kwargs: Any) -> float:
        if full:
            raise MemoryError
        return whole(self, *args, **kwargs)

    full: list[bool] = []
    return _while_measured(full, mock.patch.object(ProbeHarness, "gradients", short))


@during("machine-memory-short", "probe", on=("stories-alpaca", "gpt2-alpaca"))
def optimizer_does_not_fit(setup: Setup) -> AbstractContextManager[None]:
    """The backward pass fits, the optimizer's state does not."""

    def spoil(trainer: Any) -> None:
        whole = trainer.create_optimizer

        def spoilt() -> Any:
            import torch

            optimizer = whole()
            if full:
                error = torch.OutOfMemoryError("out of memory")
                mock.patch.object(optimizer, "step", side_effect=error).start()
            return optimizer

        trainer.create_optimizer = spoilt

    full: list[bool] = []
    return _while_measured(full, built(spoil))


@contextmanager
def _while_measured(full: list[bool], fault: AbstractContextManager[Any]) -> Iterator[None]:
    """``fault``, with something in ``full`` while the memory of a step is measured."""
    from sanetune.probes import peak_memory as measured

    whole = measured.peak_of_a_step

    def watched(*args: Any, **kwargs: Any) -> Any:
        full.append(True)
        try:
            return whole(*args, **kwargs)
        finally:
            full.clear()

    with fault, mock.patch.object(measured, "peak_of_a_step", watched):
        yield


@contextmanager
def disk(free: int) -> Iterator[None]:
    """Every disk has so many bytes left."""
    import shutil

    usage = shutil.disk_usage("/")
    with mock.patch.object(shutil, "disk_usage", return_value=usage._replace(free=free)):
        yield


@during("machine-disk-short", "probe", on=ON)
def disk_full(setup: Setup) -> AbstractContextManager[None]:
    """A few kilobytes are free."""
    return disk(50_000)


@during("machine-disk-short", "probe", on=("stories-alpaca", "qwen3-alpaca"))
def room_for_one_checkpoint(setup: Setup) -> AbstractContextManager[None]:
    """The disk has room for one checkpoint, and three are kept."""
    setup.train["save_total_limit"] = 3
    return disk(5_000_000)


@during("machine-disk-short", "probe", on=("stories-alpaca", "gpt2-alpaca"))
def nothing_is_deleted(setup: Setup) -> AbstractContextManager[None]:
    """Thirty checkpoints are kept on a disk with room for ten."""
    setup.train["save_total_limit"] = 30
    return disk(40_000_000)


@deeply("machine-over-budget", "trial", on=("stories-alpaca",))
def budget_of_seconds(setup: Setup) -> None:
    """The run takes many times the hours that it may."""
    setup.config["budget"] = {"max_hours": 0.0001}


@deeply("machine-over-budget", "trial", on=("qwen3-alpaca",))
def budget_in_dollars(setup: Setup) -> None:
    """Eight expensive devices for a run that may cost a tenth of a cent."""
    setup.config["budget"] = {"devices": 8, "usd_per_device_hour": 40.0, "max_usd": 0.001}


@deeply("machine-over-budget", "trial", on=("gemma3-alpaca",), related=("config-epochs-many",))
def one_zero_too_many(setup: Setup) -> None:
    """Three hundred epochs within a minute."""
    setup.train["max_steps"] = 20_000
    setup.config["budget"] = {"max_hours": 1 / 60}


@during("machine-slow", "trial", on=("stories-alpaca", "gemma3-alpaca"))
def loader_too_slow(setup: Setup) -> AbstractContextManager[None]:
    """Making a batch takes longer than the step on it."""
    import time

    def slow(trainer: Any) -> None:
        collate = trainer.data_collator

        def waiting(rows: Any) -> Any:
            until = time.perf_counter() + 0.06
            while time.perf_counter() < until:
                pass
            return collate(rows)

        trainer.data_collator = waiting

    return built(slow)


# Of two layers, or beside a large vocabulary, recomputing takes less than a fifth: nothing to speak of.
@deeply("machine-slow", "trial", on=("stories-alpaca", "stories-sharegpt"))
def recomputed_for_nothing(setup: Setup) -> None:
    """Activations are computed twice on a machine whose memory is nearly empty."""
    setup.train["activation_checkpointing"] = True
