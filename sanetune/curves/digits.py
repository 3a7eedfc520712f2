"""How finely a log writes its losses."""

from __future__ import annotations

import struct
from collections.abc import Iterable

BF16, FP16 = 3, 4
"""Significant digits of the two formats: 8 and 11 bits."""


def digits_of(losses: Iterable[float]) -> int:
    """Return the significant digits that some finite losses (nats per token) are written with; 0 for none.

    A loss that was computed in bf16 or fp16 has many decimals and few digits: all such losses are numbers that the
    format has.

    >>> digits_of([2.5, 2.4375]), digits_of([1.25, 1.2001]), digits_of([1.1, 0.9]), digits_of([2.0625, 1.0009765625])
    (3, 5, 2, 4)
    """
    some = list(losses)
    written = max((_written(loss) for loss in some), default=0)
    for digits, has in ((BF16, _is_bf16), (FP16, _is_fp16)):
        if written > digits and all(map(has, some)):
            return digits
    return written


def _written(loss: float) -> int:
    return len(repr(abs(loss)).partition("e")[0].replace(".", "").strip("0"))


def _is_bf16(loss: float) -> bool:
    """bf16 is the first half of a float32."""
    try:
        raw = struct.pack(">f", loss)
    except OverflowError:
        return False
    return bool(struct.unpack(">f", raw)[0] == loss) and raw[2:] == b"\0\0"


def _is_fp16(loss: float) -> bool:
    try:
        return bool(struct.unpack("e", struct.pack("e", loss))[0] == loss)
    except OverflowError:
        return False
