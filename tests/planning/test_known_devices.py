"""Published figures of devices, by the names that drivers and people have for them."""

from __future__ import annotations

import pytest

from sanetune.planning.known_devices import DEVICES, known_device, not_understood


@pytest.mark.parametrize(
    ("name", "dtype", "flops"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.5e12),
        ("NVIDIA H100 PCIe", "bfloat16", 756.5e12),
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312e12),
        ("NVIDIA A100-SXM4-80GB", "float32", 19.5e12),
        ("NVIDIA A10G", "bfloat16", 70e12),
        ("NVIDIA L4", "bfloat16", 121e12),
        ("NVIDIA L40S", "bfloat16", 362e12),
        ("Tesla T4", "float16", 65e12),
        ("Tesla V100-SXM2-16GB", "float16", 125e12),
        ("NVIDIA H200", "bfloat16", 989.5e12),
        ("NVIDIA GeForce RTX 4090", "bfloat16", 165.2e12),
    ],
)
def test_published_flops_are_found_by_the_drivers_name(name: str, dtype: str, flops: float) -> None:
    found = known_device(name)
    assert found is not None
    assert found.flops(dtype) == flops and len(found.source) > 10
    assert not_understood(name, found) == []


@pytest.mark.parametrize(("name", "dtype"), [("cpu", "float32"), ("NVIDIA A1000", "float16"), ("Tesla T4", "bfloat16")])
def test_what_is_not_published_is_not_guessed(name: str, dtype: str) -> None:
    found = known_device(name)
    assert found is None or found.flops(dtype) is None


def test_every_device_has_memory_bandwidth_speed_and_their_source() -> None:
    assert all(one.source and one.float32 > 0 and one.memory > 1e10 and one.bandwidth >= 300 for one in DEVICES)


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [("A100-80GB", 80), ("A100", 40), ("NVIDIA A100 80GB PCIe", 80), ("H100", 80), ("h200", 141), ("rtx 4090", 24)],
)
def test_memory_is_that_of_the_variant_that_is_named(name: str, gigabytes: int) -> None:
    found = known_device(name)
    assert found is not None and found.memory == gigabytes * 10**9


def test_every_device_is_found_by_its_own_name() -> None:
    assert all(known_device(one.name) == one and not not_understood(one.name, one) for one in DEVICES)
