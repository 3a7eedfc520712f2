"""The report as one HTML file that loads nothing else, neither from the network nor from disk."""

from __future__ import annotations

from sanetune.report.html.page import heading_of, page
from sanetune.report.html.view import (
    ExampleView,
    Heading,
    Histogram,
    PackView,
    PageView,
    RunView,
    SettingView,
    TokenView,
)

__all__ = [
    "ExampleView",
    "Heading",
    "Histogram",
    "PackView",
    "PageView",
    "RunView",
    "SettingView",
    "TokenView",
    "heading_of",
    "page",
]
