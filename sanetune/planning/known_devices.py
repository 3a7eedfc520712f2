"""Devices by name: memory, bandwidth and speed of matrix products, as their makers publish them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NVIDIA = "https://www.nvidia.com/en-us/data-center/"


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """One kind of device, as published.

    Speeds are those of dense matrices, in TFLOPs (1e12 FLOPs) per second. Data sheets give twice as many for sparse
    ones, which training does not have.

    Attributes:
        name: How people write it.
        words: Words that are all in the driver's name, in lower case.
        bfloat16: TFLOPs per second in bfloat16; None: the device has no hardware for it.
        float16: The same in float16.
        float32: The same in float32.
        gigabytes: Memory as it is sold, in 1e9 bytes; drivers report a little more.
        bandwidth: Bytes per second between memory and processor, in 1e9.
        source: Where all that is published.
    """

    name: str
    words: tuple[str, ...]
    bfloat16: float | None
    float16: float | None
    float32: float
    gigabytes: float
    bandwidth: float
    source: str

    @property
    def memory(self) -> int:
        """Bytes of memory."""
        return int(self.gigabytes * 1e9)

    def flops(self, dtype: str) -> float | None:
        """Return the FLOPs per second in ``dtype`` ("bfloat16", "float16", "float32"); None: no hardware for it."""
        teraflops: float | None = getattr(self, dtype, None)
        return None if teraflops is None else teraflops * 1e12


_SXM_100 = (989.5, 989.5, 67.0)
_AMPERE = (312.0, 312.0, 19.5)

DEVICES: tuple[KnownDevice, ...] = (
    KnownDevice("B200", ("b200",), 2250, 2250, 75, 180, 7700, f"{_NVIDIA}hgx (HGX B200: 36e15 sparse on 8)"),
    KnownDevice("H200 NVL", ("h200", "nvl"), 835.5, 835.5, 60, 141, 4800, f"{_NVIDIA}h200"),
    KnownDevice("H200", ("h200",), *_SXM_100, 141, 4800, f"{_NVIDIA}h200"),
    KnownDevice("GH200", ("gh200",), *_SXM_100, 96, 4000, f"{_NVIDIA}grace-hopper-superchip"),
    KnownDevice(
        "H100 PCIe", ("h100", "pcie"), 756.5, 756.5, 51, 80, 2000, "NVIDIA H100 Tensor Core GPU datasheet (PCIe)"
    ),
    KnownDevice("H100 NVL", ("h100", "nvl"), 835.5, 835.5, 60, 94, 3900, f"{_NVIDIA}h100"),
    KnownDevice("H100", ("h100",), *_SXM_100, 80, 3350, f"{_NVIDIA}h100"),
    KnownDevice("A100 80GB PCIe", ("a100", "pcie", "80gb"), *_AMPERE, 80, 1935, f"{_NVIDIA}a100"),
    KnownDevice("A100 80GB", ("a100", "80gb"), *_AMPERE, 80, 2039, f"{_NVIDIA}a100"),
    KnownDevice("A100 40GB", ("a100",), *_AMPERE, 40, 1555, f"{_NVIDIA}a100"),
    KnownDevice("A10G", ("a10g",), 70, 70, 35, 24, 600, "AWS EC2 G5 with NVIDIA A10G: A10G datasheet"),
    KnownDevice("A10", ("a10",), 125, 125, 31.2, 24, 600, f"{_NVIDIA}products/a10-gpu"),
    KnownDevice("A30", ("a30",), 165, 165, 10.3, 24, 933, f"{_NVIDIA}products/a30-gpu"),
    KnownDevice("A40", ("a40",), 149.7, 149.7, 37.4, 48, 696, f"{_NVIDIA}a40"),
    KnownDevice("L40S", ("l40s",), 362, 362, 91.6, 48, 864, f"{_NVIDIA}l40s"),
    KnownDevice("L40", ("l40",), 181, 181, 90.5, 48, 864, f"{_NVIDIA}l40"),
    KnownDevice("L4", ("l4",), 121, 121, 30.3, 24, 300, f"{_NVIDIA}l4"),
    KnownDevice("V100 32GB PCIe", ("v100", "pcie", "32gb"), None, 112, 14, 32, 900, f"{_NVIDIA}v100"),
    KnownDevice("V100 PCIe", ("v100", "pcie"), None, 112, 14, 16, 900, f"{_NVIDIA}v100"),
    KnownDevice("V100 32GB", ("v100", "32gb"), None, 125, 15.7, 32, 900, f"{_NVIDIA}v100"),
    KnownDevice("V100", ("v100",), None, 125, 15.7, 16, 900, f"{_NVIDIA}v100"),
    KnownDevice("T4", ("t4",), None, 65, 8.1, 16, 320, f"{_NVIDIA}tesla-t4"),
    KnownDevice(
        "RTX 4090", ("4090",), 165.2, 165.2, 82.6, 24, 1008, "NVIDIA Ada GPU architecture whitepaper, float32 sums"
    ),
    KnownDevice("RTX 3090", ("3090",), 71, 71, 35.6, 24, 936, "NVIDIA Ampere GA102 whitepaper, float32 sums"),
)
"""Where several fit a name, the first one is meant."""


def known_device(name: str) -> KnownDevice | None:
    """Return the device that a driver or a user calls ``name``; None: it is not in the table.

    >>> known_device("NVIDIA A100-SXM4-80GB").name, known_device("h100").memory, known_device("cpu")
    ('A100 80GB', 80000000000, None)
    """
    words = _words(name)
    return next((device for device in DEVICES if all(word in words for word in device.words)), None)


def not_understood(name: str, device: KnownDevice) -> list[str]:
    """Return the words of ``name`` that :func:`known_device` has not read, and that no driver's name has.

    >>> h100 = known_device("H100")
    >>> not_understood("NVIDIA H100 80GB HBM3", h100), not_understood("H100 8 Ti", h100)
    ([], ['8', 'ti'])
    """
    return [word for word in _words(name) if word not in device.words and not _ALSO.fullmatch(word)]


def _words(name: str) -> list[str]:
    return name.lower().replace("-", " ").replace("_", " ").split()


_ALSO = re.compile(r"nvidia|tesla|geforce|rtx|gpus?|cards?|devices?|sxm\d?|pcie|nvl|hbm\de?|\d+gb")
"""What drivers and users write beside the words that tell devices apart."""
