"""Extras are recognised by what is installed."""

from __future__ import annotations

import pytest


def test_doctor_knows_an_installed_extra_that_the_metadata_do_not_list(monkeypatch: pytest.MonkeyPatch) -> None:
    from sanetune.workflows.doctor import packages

    monkeypatch.setattr(packages, "_requirements", dict)
    monkeypatch.setattr(packages, "_version", {"mcp": "2.0"}.get)
    assert {one.name: one.state for one in packages.extras()}["mcp"] == "ok"
    assert {one.name: one.state for one in packages.extras()}["wandb"] == "missing"
