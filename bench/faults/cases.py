"""Runs one case in a process of its own: a hang, a full memory or a crash there is a result, and the rest goes on."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.figures import ROOT

SECONDS = 90.0
"""How long a case may take."""

MEMORY = 8 * 2**30
"""Address space of a case, in bytes."""

PRELOADED = [
    "trl.trainer.sft_trainer",
    "peft",
    "ftfy",
    "datasketch",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
    "sanetune.workflows.check",
    "sanetune.planning.plan",
    "sanetune.evidence.from_config",
    "sanetune.evidence.from_trainer",
    "sanetune.evidence.roles_from_text",
    "sanetune.data.examples",
    "sanetune.data.prepare",
    "sanetune.engine.trl.engine",
    "bench.faults.inspection",
    "bench.faults.rival",
    *(f"transformers.models.{name}.modeling_{name}" for name in ("qwen3", "gemma3", "gpt2")),
    "transformers.models.gpt2.tokenization_gpt2",
    "sanetune.evidence.from_model",
    "sanetune.evidence.experiments",
    *(
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for package in ("engine", "probes", "curves", "forecast", "evidence", "checks", "gate", "data")
        for file in sorted((ROOT / "sanetune" / package).rglob("[a-z]*.py"))
    ),
]
"""What the server of processes imports once."""


@dataclass(frozen=True, slots=True)
class Result:
    """``value`` where ``fault`` is empty; else the fault in a few words (``time``, ``memory``, ``crash: …``).
    ``seconds`` by the clock; ``cpu``: of a processor (0: not known)."""

    value: Any
    fault: str
    seconds: float
    cpu: float = 0.0


class Cases:
    """Forks each case from one process that has imported everything and done nothing."""

    def __init__(self, preload: Sequence[str] = PRELOADED) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", *preload])

    def run(self, function: Callable[..., Any], *args: Any, seconds: float = SECONDS) -> Result:
        """``function(*args)`` in a process; both have to be picklable, and so does what it returns."""
        began = time.perf_counter()
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(there, function, args))
        process.start()
        there.close()
        try:
            kind, value, cpu = here.recv() if here.poll(seconds) else ("time", None, 0.0)
        except EOFError:
            kind, value, cpu = "crash", "the process died", 0.0
        process.kill() if kind == "time" else process.join(20)
        process.join()
        fault = "" if kind == "value" else kind if value is None else f"{kind}: {value}"
        return Result(value if not fault else None, fault, time.perf_counter() - began, cpu)


def _work(pipe: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    null = os.open(os.devnull, os.O_WRONLY)  # bars and messages of other programs are no part of the table
    os.dup2(null, 1)
    os.dup2(null, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        pipe.send(("value", function(*args), time.process_time()))
    except MemoryError:
        pipe.send(("memory", None, time.process_time()))
    except BaseException:
        pipe.send(("crash", traceback.format_exc()[-2000:], time.process_time()))


@contextmanager
def environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    """These variables set (None: taken away), and put back at the end."""
    before = {name: os.environ.get(name) for name in variables}
    try:
        _set(variables)
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
