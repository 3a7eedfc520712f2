"""A real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from sanetune.report.html import PageView, page
from tests.report.html import views

Open = Callable[..., Any]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRED = os.environ.get("SANETUNE_BROWSER") == "required" or os.environ.get("CI") == "true"


def missing(reason: str) -> NoReturn:
    """A skip, or a failure where a browser was promised (SANETUNE_BROWSER=required, or CI=true)."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, driven by Playwright."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("no Playwright here (pip install playwright)")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        missing("no Chromium here (apt-get install chromium)")
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not work for root and in most containers; the page is ours.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a page. Whatever a test does with it: no console message, no error, no dialog, no request but the file."""
    events: list[str] = []
    contexts = []

    def open_(view: PageView | None = None, *, unfolded: bool = True, **options: Any) -> Any:
        file = tmp_path / "report.html"
        file.write_text(page(view or views.full()), encoding="utf-8")
        context = browser.new_context(viewport=options.pop("viewport", {"width": 1100, "height": 800}), **options)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(5_000)
        tab.on("console", lambda message: events.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: events.append(f"error: {error}"))
        tab.on("request", lambda request: request.url == file.as_uri() or events.append(f"request: {request.url}"))

        def on_dialog(dialog: Any) -> None:
            events.append(f"dialog: {dialog.message}")
            dialog.dismiss()

        tab.on("dialog", on_dialog)
        tab.goto(file.as_uri())
        if unfolded:
            tab.evaluate("document.querySelectorAll('.part, .rest').forEach((one) => (one.open = true))")
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert events == []
