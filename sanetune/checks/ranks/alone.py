"""The processes of a launch do not train together: several separate runs instead of one.

## What it does
Compares the processes that have found each other with those that the environment announces (`WORLD_SIZE`, Slurm, MPI,
Kubeflow, SkyPilot), and with `run.devices`.

## Why is this bad?
Each process then trains a run of its own on all rows, writes over the others, and no curve shows it.

The effective batch size, the number of steps and the schedule are those of one device, at the price of all of them.

## Example
A job that starts the program once on each node, where nothing reads the variables of the cluster:

```sh
# Kubeflow sets PET_NNODES and PET_NPROC_PER_NODE: python reads neither
python train.py
```

## Use instead
Start the program with torchrun or accelerate launch; sanetune train starts its processes itself.

```sh
torchrun train.py
```

## Known problems
A launcher that leaves no trace in the environment cannot be told from a run that is meant to be alone, unless
`run.devices` says how many devices there are to be.

## References
- [kubeflow/trainer#3930](https://github.com/kubeflow/trainer/issues/3930): variables that nothing read
- [torchrun](https://docs.pytorch.org/docs/stable/elastic/run.html): the variables that it reads and sets
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sanetune import units
from sanetune.checks.base import Limits, NotApplicableError
from sanetune.finding import Judgement, Measurement, failed, passed

if TYPE_CHECKING:
    from sanetune.evidence.launch_state import LaunchState

FIX = "none"


def measure(launch: LaunchState) -> Measurement:
    if launch.expected is None:
        if launch.planned > launch.together:
            raise NotApplicableError(
                f"one process checks a run of {launch.planned} devices: how they find each other is seen when"
                " they are started"
            )
        raise NotApplicableError("one process trains alone, and nothing announces others")
    return Measurement(
        {
            "expected": launch.expected,
            "together": launch.together,
            "announced_by": launch.by,
            "variable": launch.variable,
            "started": launch.started,
        }
    )


def judge(measured: Measurement, limits: Limits) -> Judgement:
    n = measured.numbers
    expected, together = n["expected"], n["together"]
    if together == expected:
        return passed(f"{units.many(together, 'process', 'processes')} train together, as {n['variable']} says")
    alone = "trains alone" if together == 1 else f"trains with {together - 1} others"
    said = f"{n['variable']} ({n['announced_by']})" if n["announced_by"] else n["variable"]
    message = f"This process {alone}, but {said} says that {expected} processes train together"
    if n["variable"].startswith("run.devices"):
        return failed(message, remedy=f"Start {expected} processes, or set run.devices: {together}.")
    if together == 1 and not n["started"]:
        return failed(message, remedy="Start the program on each node with torchrun, which reads these variables.")
    return failed(message)
