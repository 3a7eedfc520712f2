"""Processes that train together, as ``torchrun`` starts them, but forked from one that has imported everything once.

With ``torchrun`` each launch imports torch and transformers three times, which takes longer than what most tests do
with them. ``test_callback_watch.py`` starts its processes with the real one.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

IMPORTED = (
    "ftfy", "datasketch", "peft", "torch.distributed.fsdp", "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama", "trl.trainer.sft_trainer", "sanetune.api",
    "sanetune.engine.accelerate.engine", "sanetune.engine.trl.engine", "sanetune.evidence.from_model",
    "sanetune.evidence.from_trainer", "sanetune.workflows.check", "sanetune.workflows.train",
)  # fmt: skip


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def launch(module: str, *given: str, count: int = 2, seconds: float = 300, **environment: str) -> str:
    """Call ``main(*given)`` of a module in ``count`` processes that know of each other, or in one that is alone.

    Args:
        module: Its full name; it is imported in each process.
        given: What its ``main`` gets.
        count: Processes.
        seconds: After so many, those that still run are killed.
        environment: Variables beside those of this process.

    Returns:
        What they have written to standard error.

    Raises:
        AssertionError: Where one has failed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    if count > 1:
        common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
        common |= {"LOCAL_WORLD_SIZE": str(count)}
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        processes = [
            _server().Process(target=_begin, args=(module, given, _of_rank(common, rank, count), str(said)))
            for rank in range(count)
        ]
        for process in processes:
            process.start()
        end = time.monotonic() + seconds
        # Where one has failed the others wait for it.
        while any(process.is_alive() for process in processes) and not any(process.exitcode for process in processes):
            if time.monotonic() > end:
                break
            processes[0].join(0.05)
        for process in processes:
            process.join(5 if any(one.exitcode for one in processes) else max(0.0, end - time.monotonic()))
            process.kill()
            process.join()
        words = said.read_text(errors="replace") if said.exists() else ""
        codes = [process.exitcode for process in processes]
    assert not any(codes), f"exit codes {codes}\n{words[-3000:]}"
    return words


def _of_rank(common: dict[str, str], rank: int, count: int) -> dict[str, str]:
    return {**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else common


def _begin(module: str, given: tuple[str, ...], environment: dict[str, str], said: str) -> None:
    gc.freeze()  # see tests/conftest.py
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())
    importlib.import_module(module).main(*given)
