"""How finely a log writes its losses."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

BF16, FP16 = 3, 4
"""Significant digits of the two formats: 8 and 11 bits."""
BY_CHANCE = 1e-4
"""Probability up to which so many losses are near a format's numbers for no other reason than that they are such."""


def digits_of(losses: Iterable[float]) -> int:
    """Return the significant digits that some finite losses (nats per token) are written with; 0 for none.

    A loss that was computed in bf16 or fp16 has many decimals and few digits: all such losses are numbers that the
    format has.

    >>> digits_of([2.5, 2.4375]), digits_of([1.25, 1.2001]), digits_of([1.1, 0.9]), digits_of([2.0625, 1.0009765625])
    (3, 5, 2, 4)

    Rounded to few decimals, as in a table, they are near those numbers: all of many are not by chance.

    >>> digits_of([1.4316, 1.4307, 1.4297, 1.4277, 1.4326, 1.4375, 1.4463])
    4
    """
    some = list(losses)
    written = max((_written(loss) for loss in some), default=0)
    decimals = max((_decimals(loss) for loss in some), default=0)
    for digits, has in ((BF16, _is_bf16), (FP16, _is_fp16)):
        if written > digits and (all(map(has, some)) or _rounded(some, decimals, digits)):
            return digits
    return written


def _written(loss: float) -> int:
    return len(repr(abs(loss)).partition("e")[0].replace(".", "").strip("0"))


def _decimals(loss: float) -> int:
    text = repr(abs(loss))
    return 17 if "e" in text else len(text.partition(".")[2])


def _rounded(losses: Iterable[float], decimals: int, digits: int) -> bool:
    """Whether all losses are numbers of the format, rounded to so many decimals, and that is no chance: of each it has
    the probability of the interval that rounding leaves, divided by the distance of the format's numbers."""
    bits = 8 if digits == BF16 else 11
    half, chance = 0.5 * 10.0**-decimals, 1.0
    for loss in {abs(loss) for loss in losses if loss}:
        apart = 2.0 ** (math.floor(math.log2(loss)) + 1 - bits)
        if not apart or abs(loss - round(loss / apart) * apart) > half * 1.001:
            return False
        chance *= min(1.0, 2 * half / apart)
    return chance <= BY_CHANCE


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
