"""The report as one HTML file that loads nothing else, neither from the network nor from disk."""

from __future__ import annotations

from sanetune.report.html.page import page
from sanetune.report.html.view import ExampleView, Histogram, PackView, PageView, SettingView, TokenView

__all__ = ["ExampleView", "Histogram", "PackView", "PageView", "SettingView", "TokenView", "page"]
