"""Numbers with units, as people read them."""

from __future__ import annotations

import math


def count(number: float) -> str:
    """1234 -> "1,234", 260032 -> "260 k", 7.6e9 -> "7.6 B": whole up to 10,000, then three digits at most."""
    if abs(number) < 10_000:
        return f"{number:,.0f}"
    return _scaled(number, 1000.0, ("", " k", " M", " B", " T"))


def many(number: int, noun: str, plural: str = "") -> str:
    """many(1, "row") -> "1 row", many(1200, "row") -> "1,200 rows", many(2, "batch", "batches") -> "2 batches"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def bytes_(number: float) -> str:
    """1536 -> "1.5 KiB": binary units, as memory and drivers count."""
    return _scaled(number, 1024.0, (" B", " KiB", " MiB", " GiB", " TiB", " PiB"))


def _scaled(number: float, base: float, names: tuple[str, ...]) -> str:
    power = 0
    # 999.6 would be shown as "1000": the next unit takes over as soon as rounding reaches the base.
    while power < len(names) - 1 and abs(number) >= base - (0.5 if power else 0):
        number, power = number / base, power + 1
    digits = 1 if power and abs(number) < 9.95 else 0
    text = f"{number:.{digits}f}"
    return text.removesuffix(".0") + names[power]


def seconds(number: float) -> str:
    """0.25 -> "250 ms", 8.04 -> "8.0 s", 125 -> "2 min 5 s", 180000 -> "2 d 2 h"; NaN -> "unknown"."""
    if not math.isfinite(number):
        return "unknown"
    if number < 0:
        return "-" + seconds(-number)
    if number < 0.9995:
        return f"{number * 1000:.0f} ms"
    if number < 9.95:
        return f"{number:.1f} s"
    whole = round(number)
    for large, small, size in (("d", "h", 86_400), ("h", "min", 3_600), ("min", "s", 60)):
        if whole >= size:
            unit = {"h": 3_600, "min": 60, "s": 1}[small]
            rest = whole % size // unit
            return f"{whole // size} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def rate(number: float) -> str:
    """A learning rate: 2e-5 -> "2e-05", 0.00035 -> "3.5e-04": always a power of ten, two to three digits; NaN ->
    "unknown"."""
    if not math.isfinite(number):
        return "unknown"
    if number == 0:
        return "0"
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def share(number: float) -> str:
    """0.1234 -> "12.3 %"; 0 and 1 are only said when they are exact."""
    percent = 100 * number
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f}".removesuffix(".0") + " %"


def usd(number: float) -> str:
    """1234.5 -> "$1,234", 12.5 -> "$12.50": cents below a hundred dollars."""
    sign = "-" if number < 0 else ""
    return f"{sign}${abs(number):,.2f}" if abs(number) < 100 else f"{sign}${abs(number):,.0f}"
