"""Which processes are to train together, as the environment of this one says, whoever started it.

torchrun and ``accelerate launch`` set RANK, WORLD_SIZE and LOCAL_RANK, which torch reads. Slurm's srun and MPI start
the processes too, under other names (:func:`adopt`). Kubeflow's TrainJob and SkyPilot start one program on each node
and only announce how many processes there are to be: torchrun has to start them (:func:`announced`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

PORTS = 20_000, 10_000
"""First port, and number of ports, from which jobs of one cluster take theirs by their number."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What the environment says of the whole launch.

    Attributes:
        processes: That are to train together; on CPUs, or where it is not told, one for each node.
        nodes: Machines that they are on.
        by: Who says so, e.g. ``Slurm``.
        variable: The variable that says how many, and its value, e.g. ``SLURM_STEP_NUM_TASKS=4``.
        started: Whether they are started already: as many as there are. Else each node has one program, which has
            to start them.
        node: Number of this node; None: not told.
        address: Where the first node is reached; "": not told.
        port: Port for that; 0: not told.
    """

    processes: int
    nodes: int
    by: str
    variable: str
    started: bool
    node: int | None = None
    address: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class _Names:
    """Names under which a starter of processes tells each of them its place."""

    by: str
    size: str
    rank: str
    local_rank: str
    local_size: str


_STARTERS = (
    # srun alone sets the STEP's size: inside sbatch and salloc, SLURM_NTASKS is set for one shell.
    _Names("Slurm", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"),
    _Names("Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK",
           "OMPI_COMM_WORLD_LOCAL_SIZE"),
    _Names("MPI", "PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
)  # fmt: skip


def announced(environment: Mapping[str, str] | None = None) -> Announced | None:
    """Return what the environment says of processes that are to train together; None where it says nothing.

    >>> announced({"SKYPILOT_NUM_NODES": "2", "SKYPILOT_NODE_RANK": "1", "SKYPILOT_NODE_IPS": "10.0.0.1"}).variable
    'SKYPILOT_NUM_NODES=2'
    >>> announced({"WORLD_SIZE": "1", "RANK": "0"}) is None
    True
    """
    env = os.environ if environment is None else environment
    found = _of_torch(env) or _of_starter(env) or _of_kubeflow(env) or _of_skypilot(env)
    return found if found is not None and found.processes > 1 else None


def adopt(environment: MutableMapping[str, str] | None = None) -> None:
    """Give torch the variables that it reads, where srun, MPI or a Kubernetes operator have started the processes."""
    env = os.environ if environment is None else environment
    if _number(env, "WORLD_SIZE") is not None:
        if env.get("RANK") and env.get("MASTER_ADDR") and not _of_kubeflow(env):
            env.setdefault("LOCAL_RANK", "0")  # operators that start one process in each pod leave it out
        return
    names = _starter(env)
    if names is None:
        return
    size, rank = int(env[names.size]), _number(env, names.rank) or 0
    local, here = _number(env, names.local_rank) or 0, _number(env, names.local_size)
    address = _first_host(env)
    if here != size and not address:
        return  # torch would wait for a machine that nothing names
    env.update({"WORLD_SIZE": str(size), "RANK": str(rank), "LOCAL_RANK": str(local)})
    if here:
        env["LOCAL_WORLD_SIZE"] = str(here)
    env.setdefault("MASTER_ADDR", address or "127.0.0.1")
    env.setdefault("MASTER_PORT", str(_port(env)))


def _of_torch(env: Mapping[str, str]) -> Announced | None:
    size = _number(env, "WORLD_SIZE")
    if size is None or (_of_kubeflow(env) and "LOCAL_RANK" not in env):
        return None
    here = _number(env, "LOCAL_WORLD_SIZE") or size
    by = "torchrun" if "TORCHELASTIC_RUN_ID" in env else "the launcher"
    return Announced(size, max(1, size // max(1, here)), by, f"WORLD_SIZE={size}", started=True)


def _of_starter(env: Mapping[str, str]) -> Announced | None:
    if (names := _starter(env)) is None:
        return None
    size = int(env[names.size])
    nodes = _number(env, "SLURM_STEP_NUM_NODES") or _number(env, "SLURM_NNODES") or 1
    return Announced(size, nodes, names.by, f"{names.size}={size}", started=True)


def _of_kubeflow(env: Mapping[str, str]) -> Announced | None:
    """PET_… are torchrun's own options as variables: nothing else reads them."""
    nodes, each = _number(env, "PET_NNODES"), _number(env, "PET_NPROC_PER_NODE")
    if nodes is None and each is None:
        return None
    count = (nodes or 1) * (each or 1)
    variable = f"PET_NNODES={nodes}" if (nodes or 1) > 1 else f"PET_NPROC_PER_NODE={each}"
    node, port = _number(env, "PET_NODE_RANK"), _number(env, "PET_MASTER_PORT")
    address = env.get("PET_MASTER_ADDR", "")
    return Announced(count, nodes or 1, "Kubeflow", variable, started=False, node=node, address=address, port=port or 0)


def _of_skypilot(env: Mapping[str, str]) -> Announced | None:
    nodes = _number(env, "SKYPILOT_NUM_NODES")
    if nodes is None:
        return None
    each = max(1, _number(env, "SKYPILOT_NUM_GPUS_PER_NODE") or 1)
    variable = f"SKYPILOT_NUM_NODES={nodes}" if nodes > 1 else f"SKYPILOT_NUM_GPUS_PER_NODE={each}"
    node = _number(env, "SKYPILOT_NODE_RANK")
    address = (env.get("SKYPILOT_NODE_IPS") or "").split("\n")[0].strip()
    # Several GPUs of one node are no promise that all of them train.
    count = nodes * each if nodes > 1 else 1
    return Announced(count, nodes, "SkyPilot", variable, started=False, node=node, address=address, port=PORTS[0])


def _starter(env: Mapping[str, str]) -> _Names | None:
    return next((one for one in _STARTERS if (_number(env, one.size) or 0) > 1 and one.rank in env), None)


def _number(env: Mapping[str, str], name: str) -> int | None:
    """The number at the start of a variable, as Slurm writes "4(x2)"; None: there is none."""
    found = re.match(r"\s*(\d+)", env.get(name) or "")
    return int(found[1]) if found else None


def _first_host(env: Mapping[str, str]) -> str:
    """The first host of Slurm's list, such as ``node[003-010,12],login``.

    >>> _first_host({"SLURM_STEP_NODELIST": "node[003-010,12],login"})
    'node003'
    """
    hosts = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST") or ""
    found = re.match(r"([^\[,]+)(?:\[(\w+))?", hosts)
    return found[1] + (found[2] or "") if found else ""


def _port(env: Mapping[str, str]) -> int:
    """The same port on all processes of a job, and another one in another job."""
    job = _number(env, "SLURM_JOB_ID") or 0
    step = _number(env, "SLURM_STEP_ID") or 0
    first, count = PORTS
    return first + (job * 16 + step) % count
