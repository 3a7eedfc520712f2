"""Numbers with units, as people read them."""

from __future__ import annotations

import math


def count(number: float) -> str:
    """Return a count of things: whole up to 10,000, then three digits at most and a letter for thousands.

    >>> count(1234), count(260_032), count(7.6e9)
    ('1,234', '260 k', '7.6 B')
    """
    if abs(number) < 10_000:
        return f"{number:,.0f}"
    return _scaled(number, 1000.0, ("", " k", " M", " B", " T"))


def many(number: int, noun: str, plural: str = "") -> str:
    """Return how many of a noun there are; ``plural`` where it is not ``noun`` and an s.

    >>> many(1, "row"), many(1200, "row"), many(2, "batch", "batches")
    ('1 row', '1,200 rows', '2 batches')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def bytes_(number: float) -> str:
    """Return a number of bytes in binary units, as memory and drivers count.

    >>> bytes_(1000), bytes_(1536), bytes_(80 * 2**30)
    ('1000 B', '1.5 KiB', '80 GiB')
    """
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
    """Return a duration, given in seconds, in the one or two units that fit it.

    >>> seconds(0.25), seconds(8.04), seconds(125), seconds(180_000), seconds(float("nan"))
    ('250 ms', '8.0 s', '2 min 5 s', '2 d 2 h', 'unknown')
    """
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


def lr(number: float) -> str:
    """Return a learning rate: always a power of ten, with up to three digits.

    >>> lr(2e-5), lr(0.00035), lr(0), lr(float("nan"))
    ('2e-05', '3.5e-04', '0', 'unknown')
    """
    if not math.isfinite(number):
        return "unknown"
    if number == 0:
        return "0"
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def epochs(number: float) -> str:
    """Return a number of passes over the rows, which need not be whole.

    >>> epochs(3.0), epochs(2 / 3), epochs(1200.0)
    ('3', '0.67', '1200')
    """
    return f"{round(number, 2):g}"


def nats(number: float) -> str:
    """Return a loss in nats with three decimals, or with two digits where those would hide it.

    >>> nats(1.2345), nats(0.0031), nats(0), nats(float("nan"))
    ('1.234', '0.0031', '0.000', 'nan')
    """
    return f"{number:.3f}" if not 0 < abs(number) < 0.1 else f"{number:.2g}"


def share(number: float) -> str:
    """Return a share from 0 to 1 in percent; 0 and 100 only where they are exact.

    >>> share(0.1234), share(0.00001), share(0.99999), share(1)
    ('12.3 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    percent = 100 * number
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f}".removesuffix(".0") + " %"


def usd(number: float) -> str:
    """Return an amount of US dollars, with cents below a hundred.

    >>> usd(12.5), usd(1234.5), usd(-3)
    ('$12.50', '$1,234', '-$3.00')
    """
    sign = "-" if number < 0 else ""
    return f"{sign}${abs(number):,.2f}" if abs(number) < 100 else f"{sign}${abs(number):,.0f}"
