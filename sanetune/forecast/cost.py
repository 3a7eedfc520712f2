"""What the hours cost: hours x devices x price; and how many devices of which kind are paid for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sanetune.forecast.time import Range


@dataclass(frozen=True, slots=True)
class PaidDevices:
    """The devices of ``budget.devices``: their ``number`` (None: not given) and ``kind`` ("": not given)."""

    number: int | None = None
    kind: str = ""


def paid(devices: int | str | None) -> PaidDevices:
    """``8``, ``"8"``, ``"8 x H100"``, ``"8xA100-80GB"`` or ``"H100"``, read."""
    if devices is None or isinstance(devices, int):
        return PaidDevices(devices)
    found = re.match(r"\s*(\d{1,6})\s*(?:[x*\u00d7]\s*)?(.{0,80})$", devices, re.IGNORECASE | re.DOTALL)
    if found is None:
        return PaidDevices(None, devices.strip()[:80])
    return PaidDevices(int(found[1]) or None, found[2].strip())


def same_kind(kind: str, device: str) -> bool:
    """Whether ``kind``, as a user wrote it, can be the ``device`` by its driver's name; true where nothing is
    written."""
    words = re.findall(r"[a-z]*\d+[a-z]*|[a-z]+", kind.lower())
    telling = [word for word in words if word not in _ANY]
    have = re.sub(r"[^a-z0-9]+", " ", device.lower())
    return all(word in have for word in telling if not word.endswith("gb")) if telling else True


_ANY = {"gpu", "gpus", "nvidia", "cuda", "device", "devices", "x", "card", "cards"}
"""Words that say nothing about the kind."""


def usd(hours: Range, devices: int, price: float | None) -> Range | None:
    """US dollars of ``hours`` on ``devices`` at ``price`` each per hour; None without a price."""
    return None if price is None else hours.times(devices * price)
