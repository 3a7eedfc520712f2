"""Trackers that would stop the run to ask for a login."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest
from transformers.integrations import integration_utils

from sanetune.checks.config._tracker_logins import LOGINS, readiness
from sanetune.finding import Verdict
from tests.checks.run_numbers import find, numbers

VARIABLES = {name for login in LOGINS.values() for name in (*login.modes, *login.keys, login.address)}
VARIABLES |= {"NETRC", "MLFLOW_TRACKING_URI", "DATABRICKS_TOKEN", "TRACKIO_SPACE_ID", "HF_TOKEN", "HF_HOME"}


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in VARIABLES - {""}:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setenv("HOME", str(tmp_path))

    def refuse(*args: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tmp_path


WANDB_UNSET = [("WANDB_MODE", "online"), ("WANDB_API_KEY", " "), ("WANDB_DISABLED", "no")]


def verdict(*trackers: str) -> Verdict:
    return find("config-tracker-blocked", run_settings=numbers(trackers=trackers)).verdict


@pytest.mark.parametrize("tracker", sorted(LOGINS))
def test_a_missing_login_fails(tracker: str) -> None:
    finding = find("config-tracker-blocked", run_settings=numbers(trackers=("tensorboard", tracker)))
    assert finding.verdict is Verdict.FAIL and f"No login for {tracker}" in finding.message
    assert finding.fix == {"run.trackers": ["tensorboard"]}


def test_a_tracker_that_nobody_knows_fails_with_those_that_are_known() -> None:
    finding = find("config-tracker-blocked", run_settings=numbers(trackers=("tensorboard", "wandbb")))
    assert finding.verdict is Verdict.FAIL and "'wandbb', which is none" in finding.message
    assert "trackio, wandb" in finding.message and finding.fix == {"run.trackers": ["tensorboard"]}


def test_a_tracker_whose_package_is_not_installed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(integration_utils, "get_available_reporting_integrations", list)
    finding = find("config-tracker-blocked", run_settings=numbers(trackers=("clearml",)))
    assert finding.verdict is Verdict.FAIL and "clearml is not installed" in finding.message
    assert finding.fix == {"run.trackers": []}


@pytest.mark.parametrize("trackers", [(), ("none",), ("tensorboard",), ("trackio",), ("mlflow",), ("codecarbon",)])
def test_trackers_without_a_login_pass(trackers: tuple[str, ...]) -> None:
    assert verdict(*trackers) is Verdict.PASS


@pytest.mark.parametrize(
    ("tracker", "name", "value"),
    [
        ("wandb", "WANDB_MODE", "offline"),
        ("wandb", "WANDB_MODE", "disabled"),
        ("wandb", "WANDB_DISABLED", "true"),
        ("wandb", "WANDB_API_KEY", "k" * 40),
        ("comet_ml", "COMET_API_KEY", "key"),
        ("comet_ml", "COMET_START_ONLINE", "0"),
        ("neptune", "NEPTUNE_MODE", "offline"),
        ("swanlab", "SWANLAB_MODE", "local"),
        ("clearml", "CLEARML_OFFLINE_MODE", "1"),
        ("dagshub", "DAGSHUB_USER_TOKEN", "key"),
    ],
)
def test_a_key_or_an_offline_mode_in_the_environment_passes(
    tracker: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    finding = find("config-tracker-blocked", run_settings=numbers(trackers=(tracker,)))
    assert finding.verdict is Verdict.PASS and name in finding.message
    assert "k" * 40 not in str(finding.to_json())


@pytest.mark.parametrize(
    ("name", "value"), [("WANDB_MODE", "online"), ("WANDB_API_KEY", " "), ("WANDB_DISABLED", "no")]
)
def test_other_values_do_not_count(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert verdict("wandb") is Verdict.FAIL


def test_a_login_in_netrc_passes_for_its_host(nobody_is_logged_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = nobody_is_logged_in / ".netrc"
    file.write_text("machine api.wandb.ai\n  login user\n  password secret\n")
    file.chmod(0o600)
    assert "api.wandb.ai" in readiness("wandb") and "secret" not in readiness("wandb")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not readiness("wandb")


def test_netrc_elsewhere_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "elsewhere"
    other.write_text("machine api.wandb.ai login user password secret\n")
    monkeypatch.setenv("NETRC", str(other))
    assert readiness("wandb")
    other.write_text("machine api.wandb.ai login\nmachine machine machine")
    assert not readiness("wandb")


def test_files_of_logins_are_found(nobody_is_logged_in: Path) -> None:
    (nobody_is_logged_in / ".comet.config").write_text("[comet]\napi_key = key\n")
    (nobody_is_logged_in / "clearml.conf").write_text("api {}\n")
    assert verdict("comet_ml", "clearml") is Verdict.PASS


def test_servers_elsewhere_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/runs")
    assert "was not tried" in readiness("mlflow")
    assert not readiness("trackio")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "databricks")
    assert verdict("mlflow") is Verdict.FAIL
