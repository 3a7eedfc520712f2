"""A badge for a model card: how the run was cleared, as a small SVG that loads nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from sanetune.gate.clearance import Clearance

FILE = "sanetune.svg"
"""Name of the badge beside the model card."""
HEIGHT, PADDING, FONT = 20, 7, 11
NARROW, WIDE = "fijlrt.,:;|!'I ()", "mwMWGOQ@%"
GREEN, AMBER, GREY, SLATE = "#1d6537", "#8a5a00", "#5b616b", "#33373e"
"""Grounds of white text, each with a contrast of at least 4.5 to it (WCAG 2.2, 1.4.3)."""


def badge_of(clearance: Clearance | None) -> str:
    """Return the badge of a run that started with ``clearance``; None: no gate was asked."""
    words, colour = words_of(clearance)
    return badge("sanetune", words, colour)


def words_of(clearance: Clearance | None) -> tuple[str, str]:
    """Return what the badge says of ``clearance``, and its colour."""
    if clearance is None or not clearance.proves:
        return "not checked", GREY
    words = f"cleared: {clearance.level}"
    if clearance.unchecked:
        return f"{words}, began unchecked", AMBER
    return (f"{words}, with warnings", AMBER) if clearance.verdict == "warn" else (words, GREEN)


def badge(left: str, right: str, colour: str) -> str:
    """Return a badge of two parts as SVG.

    Args:
        left: Text on the left.
        right: Text on the right.
        colour: Ground of the right part.
    """
    first, second = width_of(left), width_of(right)
    whole = first + second
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{HEIGHT}" viewBox="0 0 {whole} {HEIGHT}"'
        f' role="img" aria-label={quoteattr(f"{left}: {right}")}>',
        f"<title>{escape(f'{left}: {right}')}</title>",
        f'<clipPath id="round"><rect width="{whole}" height="{HEIGHT}" rx="4"/></clipPath>',
        f'<g clip-path="url(#round)"><rect width="{first}" height="{HEIGHT}" fill="{SLATE}"/>'
        f'<rect x="{first}" width="{second}" height="{HEIGHT}" fill={quoteattr(colour)}/></g>',
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="{FONT}">',
        _text(left, PADDING, first),
        _text(right, first + PADDING, second),
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def width_of(text: str) -> int:
    """Return the width in pixels of a part with ``text``, its padding included.

    >>> width_of("sanetune") < width_of("cleared: trial")
    True
    """
    return round(sum(4.0 if sign in NARROW else 9.5 if sign in WIDE else 6.9 for sign in text)) + 2 * PADDING


def _text(text: str, x: int, width: int) -> str:
    # Fonts differ: the length that is set keeps the text inside its part whichever is there.
    return f'<text x="{x}" y="14" textLength="{width - 2 * PADDING}">{escape(text)}</text>'
