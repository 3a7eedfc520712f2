"""Devices that are paid for, as users write them, and what hours cost."""

from __future__ import annotations

import pytest

from sanetune.forecast.cost import PaidDevices, paid_devices, same_kind, usd
from sanetune.forecast.time import Range


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, PaidDevices()),
        (8, PaidDevices(8)),
        ("8", PaidDevices(8)),
        ("8 x H100", PaidDevices(8, "H100")),
        ("8xA100-80GB", PaidDevices(8, "A100-80GB")),
        ("4 × L40S", PaidDevices(4, "L40S")),
        ("2 RTX 4090", PaidDevices(2, "RTX 4090")),
        ("H100", PaidDevices(None, "H100")),
        ("H100 x 8", PaidDevices(8, "H100")),
        ("RTX 4090 ×2", PaidDevices(2, "RTX 4090")),
        ("80GB A100", PaidDevices(None, "80GB A100")),
        ("2x80GB A100", PaidDevices(2, "80GB A100")),
        ("a10g-largex2", PaidDevices(None, "a10g-largex2")),
        ("0", PaidDevices(None)),
        ("", PaidDevices()),
    ],
)
def test_devices_are_read_as_they_are_written(written: int | str | None, read: PaidDevices) -> None:
    assert paid_devices(written) == read


@pytest.mark.parametrize(
    ("kind", "device", "same"),
    [
        ("", "cpu", True),
        ("GPUs", "NVIDIA H100 80GB HBM3", True),
        ("H100", "NVIDIA H100 80GB HBM3", True),
        ("h100-80gb", "NVIDIA H100 80GB HBM3", True),
        ("A100", "NVIDIA H100 80GB HBM3", False),
        ("H100", "cpu", False),
        ("RTX 4090", "NVIDIA GeForce RTX 4090", True),
        ("RTX 4090", "NVIDIA GeForce RTX 3090", False),
    ],
)
def test_a_kind_is_told_from_another(kind: str, device: str, same: bool) -> None:
    assert same_kind(kind, device) is same


def test_the_cost_is_hours_times_devices_times_price() -> None:
    assert usd(Range(9, 10, 12), 8, 2.5) == Range(180, 200, 240)
    assert usd(Range(9, 10, 12), 8, None) is None
