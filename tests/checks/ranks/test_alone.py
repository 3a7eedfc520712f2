"""Whether processes that are to train together have found each other."""

from __future__ import annotations

import pytest

from sanetune.checks.base import NotApplicableError
from sanetune.checks.ranks import alone
from sanetune.config.load import load
from sanetune.config.schema import Config
from sanetune.errors import ConfigError
from sanetune.evidence.launch_state import LaunchState
from sanetune.finding import Judgement, Verdict
from sanetune.workflows.together import Start, require_all_devices, start_of

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "SLURM_STEP_NUM_TASKS", "PET_NNODES", "SKYPILOT_NUM_NODES")


@pytest.fixture(autouse=True)
def _no_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def judged(state: LaunchState) -> Judgement:
    return alone.judge(alone.measure(state), {})


def config(**run: object) -> Config:
    return load({"model": {"name": "m"}, "data": {"train": "d.jsonl"}, "train": {"use_cpu": True}, "run": run})


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"WORLD_SIZE": "4", "RANK": "2"}, "WORLD_SIZE=4 (the launcher) says that 4 processes train together"),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "1"}, "SLURM_STEP_NUM_TASKS=4 (Slurm)"),
        ({"PET_NNODES": "2", "PET_NPROC_PER_NODE": "8"}, "PET_NNODES=2 (Kubeflow) says that 16 processes"),
        ({"SKYPILOT_NUM_NODES": "2"}, "SKYPILOT_NUM_NODES=2 (SkyPilot)"),
    ],
)
def test_a_trainer_that_ignores_its_launcher_fails(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = judged(LaunchState.of(1))
    assert found.verdict is Verdict.FAIL
    assert words in found.message
    assert "This process trains alone" in found.message


def test_processes_that_have_found_each_other_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert judged(LaunchState.of(4)).verdict is Verdict.PASS
    assert judged(LaunchState.of(4, 4)).verdict is Verdict.PASS


def test_another_number_of_devices_than_planned_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    found = judged(LaunchState.of(2, 8))
    assert found.verdict is Verdict.FAIL
    assert found.remedy == "Start 8 processes, or set run.devices: 2."


def test_a_single_process_is_no_fault() -> None:
    with pytest.raises(NotApplicableError, match="nothing announces others"):
        alone.measure(LaunchState.of(1))
    with pytest.raises(NotApplicableError, match="a run of 8 devices"):
        alone.measure(LaunchState.of(1, 8))


def test_what_training_starts_by_itself_is_no_fault_of_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PET_NNODES", "2")
    with pytest.raises(NotApplicableError):
        alone.measure(LaunchState.of(1, starts=True))


def test_the_processes_to_start_are_those_of_devices_or_of_the_cluster() -> None:
    pod = {"PET_NNODES": "2", "PET_NPROC_PER_NODE": "8", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "first",
           "PET_MASTER_PORT": "29400"}  # fmt: skip
    assert start_of(config(), environment={}) is None
    assert start_of(config(devices=4), environment={}) == Start(4)
    assert start_of(config(devices=4), environment={"WORLD_SIZE": "4", "RANK": "0", "LOCAL_RANK": "0"}) is None
    assert start_of(config(), environment=pod) == Start(8, 2, 1, "first", 29400)
    assert start_of(config(devices=4), environment=pod) == Start(2, 2, 1, "first", 29400)


def test_a_run_planned_for_other_devices_does_not_begin() -> None:
    require_all_devices(config(), 3)
    require_all_devices(config(devices=3), 3)
    with pytest.raises(ConfigError, match=r"run\.devices is 4, but 1 process trains"):
        require_all_devices(config(devices=4), 1)
