"""A real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest

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
