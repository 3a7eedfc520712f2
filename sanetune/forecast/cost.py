"""The cost of a run (hours x devices x price), and the devices that are paid for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sanetune.forecast.time import Range


@dataclass(frozen=True, slots=True)
class PaidDevices:
    """The devices of ``budget.devices``.

    Attributes:
        number: Number of devices; None: not given.
        kind: Kind of device, as in the configuration; "": not given.
    """

    number: int | None = None
    kind: str = ""


def paid_devices(devices: int | str | None) -> PaidDevices:
    """Read ``8``, ``"8"``, ``"8 x H100"``, ``"8xA100-80GB"``, ``"H100 x 8"`` or ``"H100"``.

    >>> paid_devices("8 x H100"), paid_devices("80GB A100")
    (PaidDevices(number=8, kind='H100'), PaidDevices(number=None, kind='80GB A100'))
    """
    if devices is None or isinstance(devices, int):
        return PaidDevices(devices)
    found = _NUMBER_FIRST.match(devices) or _NUMBER_LAST.match(devices)
    if found is None:
        return PaidDevices(None, devices.strip()[:80])
    return PaidDevices(int(found["number"]) or None, found["kind"].strip())


_NUMBER_FIRST = re.compile(r"\s*(?P<number>\d{1,6})(\s*[x*\u00d7]|\s|$)(?P<kind>.{0,80})$", re.IGNORECASE | re.DOTALL)
_NUMBER_LAST = re.compile(r"(?P<kind>.{1,80}?)\s[x*\u00d7]\s*(?P<number>\d{1,6})\s*$", re.IGNORECASE | re.DOTALL)


def same_kind(kind: str, device: str) -> bool:
    """Return whether the driver's name ``device`` fits the ``kind`` that a user wrote; True for an empty ``kind``.

    >>> same_kind("H100", "NVIDIA H100 80GB HBM3"), same_kind("A100", "NVIDIA H100 80GB HBM3")
    (True, False)
    """
    words = re.findall(r"[a-z]*\d+[a-z]*|[a-z]+", kind.lower())
    telling = [word for word in words if word not in _ANY]
    have = re.sub(r"[^a-z0-9]+", " ", device.lower())
    return all(word in have for word in telling if not word.endswith("gb")) if telling else True


_ANY = {"gpu", "gpus", "nvidia", "cuda", "device", "devices", "x", "card", "cards"}
"""Words that say nothing about the kind of device."""


def usd(hours: Range, devices: int, price: float | None) -> Range | None:
    """Return the US dollars for ``hours`` on ``devices`` at ``price`` dollars per device hour; None without a price."""
    return None if price is None else hours.times(devices * price)
