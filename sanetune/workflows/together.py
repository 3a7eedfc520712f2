"""Starts the processes that train together, where nothing else has: ``run.devices``, or one program on each node.

They are started and watched by torch's elastic agent, as with torchrun, and run the same command.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sanetune import units
from sanetune.config.launch import PORTS, Announced, announced
from sanetune.config.machine import default_device
from sanetune.config.schema import Config
from sanetune.engine.distributed import STARTED
from sanetune.errors import ConfigError, RunError

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

END_SECONDS = 40
"""Seconds that the others have to end, with a checkpoint where they were asked to stop, once one of them has ended."""


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be started on this machine.

    Attributes:
        processes: Here, one for each device.
        nodes: Machines of the launch, each of which starts as many.
        node: Number of this machine.
        address: Where the first machine is reached.
        port: Port for that.
    """

    processes: int
    nodes: int = 1
    node: int = 0
    address: str = "127.0.0.1"
    port: int = PORTS[0]


def start_of(config: Config, *, checks: bool = False, environment: Mapping[str, str] | None = None) -> Start | None:
    """Return what this program has to start before ``config`` can train; None: nothing, it is one of the processes.

    Args:
        config: The configuration.
        checks: Whether it is only checked: then one process stands for devices that this machine does not have.
        environment: Its variables; None: those of this process.

    Raises:
        ConfigError: ``run.devices`` is more than this machine has, and nothing says that there are others.
    """
    there = announced(environment)
    if there is not None and there.started:
        return None
    if there is not None:
        return _on_this_node(config, there)
    devices = config.run.devices or 1
    if devices == 1:
        return None
    have = _devices_here(config)
    if checks and (have is None or devices > have) and not config.train.get("use_cpu"):
        return None
    if have is not None and devices > have:
        raise ConfigError(
            f"run.devices is {devices}, and this machine has {units.many(have, 'device')}",
            "One process alone would train another run than the one that is planned.",
            "Start it on all machines together (sanetune launch writes the files), or correct run.devices.",
            config.place("run.devices"),
        )
    return Start(devices)


def _on_this_node(config: Config, there: Announced) -> Start:
    devices = config.run.devices or there.processes
    each = max(1, devices // there.nodes)
    if there.nodes > 1 and (there.node is None or not there.address):
        raise RunError(
            f"{there.variable} says that {there.nodes} machines train together, but not where the first one is.",
            "Each of them would train a run of its own.",
            "Start it with torchrun --nnodes --node-rank --master-addr on each of them.",
        )
    return Start(each, there.nodes, there.node or 0, there.address or "127.0.0.1", there.port or PORTS[0])


def _devices_here(config: Config) -> int | None:
    """GPUs of this machine; None: it trains on the processor, which takes any number of processes."""
    if dict(config.train.given).get("use_cpu") or default_device() == "cpu":
        return None
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 1


def require_all_devices(config: Config, together: int) -> None:
    """Raise ConfigError where ``run.devices`` asks for another number of processes than train ``together``.

    The steps, the batch and the schedule are planned for that number.
    """
    devices = config.run.devices
    if devices is None or devices == together:
        return
    raise ConfigError(
        f"run.devices is {devices}, but {units.many(together, 'process trains', 'processes train')}",
        "Batch size, steps and schedule are planned for run.devices.",
        "Start as many with torchrun or `sanetune train`, or correct run.devices.",
        config.place("run.devices"),
    )


def run_together(start: Start, words: Sequence[str]) -> int:
    """Run ``sanetune`` with the arguments ``words`` in the processes of ``start``, and wait for them.

    Returns:
        The exit code: of the first process that failed, 0 where all went well.

    Raises:
        RunError: A process has ended without saying why; the others are ended too, within :data:`END_SECONDS`.
    """
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # The agent's own warnings come with every end that we report.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    logging.getLogger("torch.distributed.launcher").setLevel(logging.CRITICAL)
    os.environ[STARTED] = "1"
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // start.processes)))
    config = LaunchConfig(
        min_nodes=start.nodes,
        max_nodes=start.nodes,
        nproc_per_node=start.processes,
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(),
        shutdown_timeout=END_SECONDS,
        **_rendezvous(start),
    )
    try:
        elastic_launch(config, sys.executable)("-m", "sanetune", *words)
    except ChildFailedError as error:
        return _exit_code(error)
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    return 0


def _rendezvous(start: Start) -> dict[str, Any]:
    """How the machines find each other: by the first one's address, or not at all."""
    if start.nodes == 1:
        return {"rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0", "run_id": uuid.uuid4().hex}
    where = f"{start.address}:{start.port}"
    return {
        "rdzv_backend": "static",
        "rdzv_endpoint": where,
        "run_id": "sanetune",
        "rdzv_configs": {"rank": start.node},
    }


def _exit_code(error: ChildFailedError) -> int:
    """The code of the process that ended first. One that printed a message, or a traceback, has said what happened."""
    rank, first = error.get_first_failure()
    if first.exitcode < 0:
        raise RunError(
            f"Process {rank} (pid {first.pid}) was ended by {_signal(first)}, and the run with it.",
            _killed(first),
            "Go on from the last checkpoint with --resume.",
        )
    return int(first.exitcode)


def _signal(failure: ProcessFailure) -> str:
    try:
        return signal.Signals(-failure.exitcode).name
    except ValueError:
        return f"signal {-failure.exitcode}"


def _killed(failure: ProcessFailure) -> str:
    if -failure.exitcode == signal.SIGKILL:
        return "Nothing of ours sends it: the system does where memory runs out (see dmesg), or a person did."
    return "It could not say why."
