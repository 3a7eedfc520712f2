"""What the environment says of processes that train together."""

from __future__ import annotations

import pytest

from sanetune.config.launch import adopt, announced

SRUN = {
    "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)", "SLURM_STEP_NODELIST": "gpu[07-08]", "SLURM_STEP_NUM_NODES": "2",
    "SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0",
}  # fmt: skip
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "x"}
TRAINJOB = {"PET_NNODES": "2", "PET_NPROC_PER_NODE": "8", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "job-node-0-0"}
SKYPILOT = {
    "SKYPILOT_NUM_NODES": "2", "SKYPILOT_NODE_RANK": "0", "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2",
    "SKYPILOT_NUM_GPUS_PER_NODE": "8",
}  # fmt: skip


@pytest.mark.parametrize(
    ("environment", "processes", "nodes", "started"),
    [
        (TORCHRUN, 4, 2, True),
        (SRUN, 8, 2, True),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, 2, 1, True),
        (TRAINJOB, 16, 2, False),
        (SKYPILOT, 16, 2, False),
        (TRAINJOB | TORCHRUN, 4, 2, True),
        (SRUN | TORCHRUN, 4, 2, True),
    ],
)
def test_a_launch_is_read_as_its_starter_announces_it(
    environment: dict[str, str], processes: int, nodes: int, started: bool
) -> None:
    found = announced(environment)
    assert found is not None
    assert (found.processes, found.nodes, found.started) == (processes, nodes, started)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"},
        # A shell inside sbatch or salloc: srun has started nothing yet.
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_JOB_ID": "4711", "SLURM_NNODES": "2"},
        {"SKYPILOT_NUM_NODES": "1", "SKYPILOT_NODE_RANK": "0", "SKYPILOT_NUM_GPUS_PER_NODE": "8"},
        {"PET_NNODES": "1", "PET_NPROC_PER_NODE": "1"},
        {"WORLD_SIZE": "", "SLURM_STEP_NUM_TASKS": "many", "SLURM_PROCID": "0"},
    ],
)
def test_one_process_is_no_launch(environment: dict[str, str]) -> None:
    assert announced(environment) is None
    before = dict(environment)
    adopt(environment)
    assert environment == before


def test_what_srun_started_gets_the_variables_of_torch() -> None:
    environment = dict(SRUN)
    adopt(environment)
    assert {name: environment[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")} == {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
    }  # fmt: skip
    assert environment["MASTER_ADDR"] == "gpu07"
    other = SRUN | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    adopt(other)
    assert other["MASTER_PORT"] == environment["MASTER_PORT"], "all meet at the same port"


def test_what_torchrun_started_is_left_alone() -> None:
    environment = SRUN | TORCHRUN
    adopt(environment)
    assert environment == SRUN | TORCHRUN
